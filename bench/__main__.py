"""`python -m bench`: measure rendering alone and both deployments in one go, print the tables, keep them in bench/results."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench.render import confine_libvips

confine_libvips()  # before anything imports pyvips

from bench.deployments import OPENERS  # noqa: E402
from bench.parts.every import ALONE, DEPLOYED, NAMED_ONLY, ONCE  # noqa: E402
from bench.parts.scale import FULL, QUICK, Scale  # noqa: E402
from bench.pictures import SMALL, TWELVE, TWO, picture  # noqa: E402
from bench.programs import ProgramFailed  # noqa: E402
from bench.report import Report, Result, new_report, print_result, write  # noqa: E402
from bench.requests import RequestFailed  # noqa: E402
from internal.logs import configure_logging  # noqa: E402
from internal.settings import Logging  # noqa: E402


def main() -> None:
    options = _options()
    configure_logging(Logging(level="warning", format="console"), "bench")
    signal.signal(signal.SIGTERM, _interrupt)
    report = new_report()
    print(f"{report.machine}; load {report.load[0]:.1f}")
    for size in (TWELVE, TWO, SMALL):
        print(f"{size.name}: {size.width}x{size.height}, {picture(size).stat().st_size / 1e6:.2f} MB")
    scale = QUICK if options.quick else FULL
    complete = True
    try:
        for part in (name for name in ALONE if name in options.only):
            complete &= _kept(report, part, partial(ALONE[part], scale))
        asked = [name for name in DEPLOYED if name in options.only]
        for number, name in enumerate(options.deployment):
            if parts := [part for part in asked if number == 0 or part not in ONCE]:
                complete &= _measure(name, parts, scale, report)
    except KeyboardInterrupt:
        sys.exit("stopped")
    finally:
        report.load.append(os.getloadavg()[0])
        if report.results:
            print(f"\nkept in {write(report)}")
    sys.exit(int(not complete))


def _measure(name: str, parts: list[str], scale: Scale, report: Report) -> bool:
    """The parts in one deployment; false when one could not be measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, OPENERS[name](Path(folder)) as deployment:
        report.deployments[deployment.name] = deployment.described
        print(f"\n{deployment.name}: {deployment.described}", flush=True)
        kept = [_kept(report, part, partial(DEPLOYED[part], deployment, scale)) for part in parts]
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


def _options() -> argparse.Namespace:
    parts = [*ALONE, *DEPLOYED]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    unnamed = f"{', '.join(sorted(NAMED_ONLY))}: only when named, some six minutes a deployment"
    parser.add_argument("--only", action="append", choices=parts, help=f"this part only; may be repeated; {unnamed}")
    parser.add_argument("--deployment", action="append", choices=[*OPENERS], help="this deployment only")
    options = parser.parse_args()
    options.only = options.only or [part for part in parts if part not in NAMED_ONLY]
    options.deployment = options.deployment or [*OPENERS]
    return options


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
