"""The header `Vary`: the fields of a request on which its answer depends (RFC 9110, 12.5.5)."""

from internal.http.asgi import Header


def vary_by(headers: list[Header], field: bytes) -> list[Header]:
    """`headers` whose only Vary names `field` (lower case) beside what they name already."""
    named = [item.strip() for name, value in headers if name.lower() == b"vary" for item in value.split(b",")]
    if not named:
        return [*headers, (b"vary", field)]
    others = [header for header in headers if header[0].lower() != b"vary"]
    if not any(item.lower() in (field, b"*") for item in named):
        named.append(field)
    return [*others, (b"vary", b", ".join(named))]
