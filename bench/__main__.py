"""`python -m bench`: measure rendering alone and both deployments in one go, print the tables, keep them in bench/results."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench.render import confine_libvips

confine_libvips()  # before anything imports pyvips

from bench import compare  # noqa: E402
from bench.deployments import OPENERS, Deployment  # noqa: E402
from bench.options import parsed  # noqa: E402
from bench.parts import compared  # noqa: E402
from bench.parts.every import ALONE, DEPLOYED, ONCE  # noqa: E402
from bench.parts.scale import FULL, QUICK  # noqa: E402
from bench.pictures import SMALL, TWELVE, TWO, picture  # noqa: E402
from bench.programs import ProgramFailed  # noqa: E402
from bench.report import Report, Result, new_report, print_result, write  # noqa: E402
from bench.requests import RequestFailed  # noqa: E402
from bench.trees import RevisionFailed, Tree, checked_out  # noqa: E402
from internal.observability.logs import configure_logging  # noqa: E402
from internal.observability.settings import LoggingSettings  # noqa: E402
from internal.runtime.project import PROJECT  # noqa: E402

Alone = Callable[[], Result]
Deployed = Callable[[Deployment], Result]


def main() -> None:
    options = parsed(sys.argv[1:])
    configure_logging(LoggingSettings(level="warning", format="console"), "bench")
    signal.signal(signal.SIGTERM, _interrupt)
    report = new_report()
    print(f"{report.machine}; load {report.load[0]:.1f}")
    for size in (TWELVE, TWO, SMALL):
        print(f"{size.name}: {size.width}x{size.height}, {picture(size).stat().st_size / 1e6:.2f} MB")
    alone, deployed = _compared(options) if options.compare else _measured(options)
    complete = True
    try:
        for part, measure in alone.items():
            complete &= _kept(report, part, measure)
        for number, name in enumerate(options.deployment):
            if parts := {part: measure for part, measure in deployed.items() if number == 0 or part not in ONCE}:
                complete &= _measure(name, parts, report)
    except KeyboardInterrupt:
        sys.exit("stopped")
    finally:
        report.load.append(os.getloadavg()[0])
        if report.results:
            print(f"\nkept in {write(report)}")
    sys.exit(int(not complete))


def _measured(options: argparse.Namespace) -> tuple[dict[str, Alone], dict[str, Deployed]]:
    """The parts that were asked for."""
    scale = QUICK if options.quick else FULL
    return (
        {part: partial(ALONE[part], scale) for part in ALONE if part in options.only},
        {part: _in_deployment(DEPLOYED[part], scale) for part in DEPLOYED if part in options.only},
    )


def _compared(options: argparse.Namespace) -> tuple[dict[str, Alone], dict[str, Deployed]]:
    """The parts that were asked for, each in this tree and in the other revision's; it says which ones can't be."""
    scale = compare.QUICK if options.quick else compare.FULL
    for part in options.only:
        if part in compared.NOT_COMPARED:
            print(f"{part} is not compared: {compared.NOT_COMPARED[part]}")
    print(f"setting up {options.compare} …", flush=True)
    other = _tree(options.compare)
    print(f"this: {PROJECT}; {other.name}: {other.folder}")
    return (
        {part: partial(compared.ALONE[part], other, scale) for part in compared.ALONE if part in options.only},
        {part: _in_deployment(compared.DEPLOYED[part], other, scale) for part in compared.DEPLOYED if part in options.only},
    )


def _in_deployment(measure: Callable[..., Result], *more: object) -> Deployed:
    return lambda deployment: measure(deployment, *more)


def _tree(revision: str) -> Tree:
    try:
        return checked_out(revision)
    except RevisionFailed as error:
        sys.exit(str(error))


def _measure(name: str, parts: Mapping[str, Deployed], report: Report) -> bool:
    """The parts in one deployment; false when one could not be measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, OPENERS[name](Path(folder)) as deployment:
        report.deployments[deployment.name] = deployment.described
        print(f"\n{deployment.name}: {deployment.described}", flush=True)
        kept = [_kept(report, part, partial(measure, deployment)) for part, measure in parts.items()]
        return all(kept)


def _kept(report: Report, part: str, measure: Callable[[], Result]) -> bool:
    """Measure, print and keep one part; false when it could not be measured. What the marks say is no failure."""
    try:
        result = measure()
    except (ProgramFailed, RequestFailed) as error:
        print(f"\n{part} could not be measured: {error}", file=sys.stderr)
        return False
    report.results.append(result)
    print_result(result)
    sys.stdout.flush()
    return True


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
