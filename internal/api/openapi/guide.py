"""The text around the document: what no single operation says. Markdown, its tables read off the code."""

from collections.abc import Iterable

from internal.api.schemas import PREFIX
from internal.domain.errors import (
    PERMANENT,
    DecoderFailed,
    DecoderOutOfMemory,
    DecoderTimeout,
    ObjectNotFound,
    OriginalDamaged,
    ServiceError,
    WorkerLost,
)
from internal.http.problems import known_problems, with_advice
from internal.pipeline.operations import known_operations
from internal.pipeline.operations.operation import name_of

RENDITION_FAILURES: tuple[type[ServiceError], ...] = (
    *PERMANENT,
    DecoderFailed,
    DecoderOutOfMemory,
    DecoderTimeout,
    WorkerLost,
    OriginalDamaged,
    ObjectNotFound,
    ServiceError,
)
"""Why a rendition can have failed."""

OVERVIEW = f"""
Post a picture: the service keeps the original, makes the renditions that were asked for in the background, and serves the bytes.

```sh
curl -F image=@holiday.jpg -F 'processing=resize:800x600|format:webp' HOST{PREFIX}/images
curl -H 'Prefer: wait=30' -o holiday.webp HOST{PREFIX}/images/ID
```

An image and each of its renditions go `uploaded → processing → processed | failed`.
""".strip()

CHAINS = """
## Processing

A chain is a list of operations that are carried out in order: `name:argument,key=value`, with `|` between two of them. Sizes are
`WxH`, `Wx` or `xH`. The same as a JSON list, of texts or of objects: `["resize:300x200", "grayscale"]`,
`[{"op": "resize", "size": "300x200"}, {"op": "grayscale"}]`. `GET /api/v1/operations` has all of them.
""".strip()

REPEATING = """
## Sending again

An `Idempotency-Key` makes every POST safe to repeat for 24 hours. Answers with `Retry-After` are worth asking again after that
many seconds. Binaries carry a strong `ETag`: send it as `If-None-Match` and get a 304 for what you have.
""".strip()

PROBLEMS = """
Errors are `application/problem+json` (RFC 9457) with a `code` that stays as it is, and a `detail` for people. `request_id` finds
the request in the log. An image that belongs to somebody else is a 404, the same as one that was never there.

Every call takes the query parameters that are listed with it, each once; anything else in the query is a 400. A method that a
path does not have is a 405, whose `Allow` lists those that it has, as the answer to `OPTIONS` does. An answer may come before all
of a body has been sent; it then has `Connection: close`.
""".strip()


def guide() -> str:
    """The description that the document begins with."""
    return "\n\n".join([OVERVIEW, CHAINS, REPEATING])


def operation_table() -> str:
    """The operations of a chain, as a table."""
    rows = (
        (f"`{name_of(known)}`", " ".join((known.__doc__ or "").split("\n\n")[0].split()), f"`{known.example}`")
        for known in known_operations()
    )
    return _table(("Operation", "What it does", "Example"), rows)


def problem_guide() -> str:
    """Every code, also of what fits no single operation."""
    rows = ((str(status), f"`{code}`", detail) for status, code, detail, _ in known_problems())
    return f"{PROBLEMS}\n\n{_table(('Status', 'Code', 'Meaning'), rows)}"


def failure_table() -> str:
    """The codes of a rendition's `error`, as a table."""
    return _table(("Code", "Meaning"), ((f"`{kind.code}`", with_advice(kind().detail)) for kind in RENDITION_FAILURES))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
