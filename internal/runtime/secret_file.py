"""A secret in a file, as Docker and Kubernetes mount it."""

from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 65536
"""More than any secret has: a path of a device or of a log is not read to its end."""


class SecretUnreadable(Exception):
    """The secret can't be read. The text names the variable or option and the file, and has nothing of the file's content."""


def read_secret(path: Path, name: str) -> str:
    """Return the text in the file, without the newlines at its end. `name`: the variable or option that named the file.

    Raises SecretUnreadable.
    """
    where = f"{name}: {path}"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise SecretUnreadable(f"{where} can't be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise SecretUnreadable(f"{where} has more than {MAX_BYTES} bytes, which is no secret")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{where} is not text in UTF-8") from None  # the error holds the bytes
    if not text:
        raise SecretUnreadable(f"{where} is empty")
    return text


def secret_from(environment: Mapping[str, str], variable: str) -> str | None:
    """Return the value of the variable, or the content of the file that the variable with `_FILE` behind its name points to.

    None if neither is set; an empty path counts as not set, and so does an empty variable beside a path. Raises SecretUnreadable.
    """
    text, file_variable = environment.get(variable), f"{variable}_FILE"
    if not (path := environment.get(file_variable)):
        return text
    if text:
        raise SecretUnreadable(f"{variable} and {file_variable} are both set: set one of them")
    return read_secret(Path(path), file_variable)
