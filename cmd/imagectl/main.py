"""The command-line client: `python -P cmd/imagectl/main.py --help`."""

import sys

from internal.cli.program import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
