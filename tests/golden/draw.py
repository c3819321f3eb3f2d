"""Draws the golden pictures: `python -m tests.golden.draw [NAME…]`. Look at the changes before you commit them."""

import sys
import tempfile
from pathlib import Path

from tests.golden.cases import EXPECTED, cases, drawn


def main() -> None:
    EXPECTED.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:])
    known = list(cases())
    for case in known:
        if not wanted or case.name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                drawn(case, Path(folder)).pngsave(str(case.expected), compression=9, keep="none")
    for forgotten in set(EXPECTED.glob("*.png")) - {case.expected for case in known}:
        forgotten.unlink()


if __name__ == "__main__":
    main()
