#!/usr/bin/env bash
# structlog's console log shows the values of local variables in stack traces as soon as `rich` happens to be installed
#
# Expected: a stack trace shows lines of code, as Python's own does, and the values of variables only when that is asked for.
# Seen: structlog 26.1.0 with rich 15.0.0, on 2026-11-30: `ConsoleRenderer()` takes rich's tracebacks with `show_locals=True` when `rich` can be
#   imported, and Python's own when it can't. `litestar` depends on `rich`, so that a service gets the first by installing its framework.
#   `dict_tracebacks`, which is for JSON, shows them always.
# Why it matters: where a handler crashes, its local variables are the request's headers: bearer tokens and cookies end in the log.
# Way out: `ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)`, `ExceptionDictTransformer(show_locals=False)`.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/seen.py" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

import structlog

SECRET = "sesame-0123456789"


def crash(headers):
    raise RuntimeError("crashed")


def logged(renderer):
    try:
        crash({"authorization": SECRET})
    except RuntimeError:
        return str(renderer(None, "error", {"event": "crash", "exc_info": sys.exc_info()}))


try:
    rich = version("rich")
except PackageNotFoundError:
    rich = "not installed"
shown = [
    SECRET in logged(renderer)
    for renderer in (
        structlog.dev.ConsoleRenderer(colors=False),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        structlog.processors.dict_tracebacks,
    )
]
print(f"structlog {version('structlog')}, rich {rich}: the secret is shown by the console's default {shown[0]}, plain {shown[1]}, dict_tracebacks {shown[2]}")
print("yes" if shown == [rich != "not installed", False, True] else "no", file=open(sys.argv[1], "w"))
PYTHON
for packages in "structlog==26.1.0" "structlog==26.1.0 rich==15.0.0"; do
    python3 -m venv --clear "$folder/venv"
    # shellcheck disable=SC2086 # several packages
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check $packages
    "$folder/venv/bin/python" "$folder/seen.py" "$folder/as-described"
    [ "$(cat "$folder/as-described")" = yes ] || exit 1
done
