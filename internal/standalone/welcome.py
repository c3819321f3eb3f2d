"""Text that `make run` prints when the service is ready."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from internal.runtime.project import PROJECT

PICTURE = PROJECT / "docs/pictures/landscape.jpg"


def welcome(address: str, places: Iterable[str]) -> str:
    """Return the text: addresses, the places of the data, and a complete command that uploads a picture."""
    image = shlex.quote(f"image=@{_for_curl(PICTURE)}")
    return f"""
  The image processor is ready:  {address}
  Documentation:                 {address}/docs
  Data:                          {", ".join(places)}

  Upload a picture, in another terminal:

  curl -F {image} -F processing=resize:300x300 {address}/api/v1/images
"""


def _for_curl(path: Path) -> str:
    """Return a path for `curl -F`, in quotes if it has a character that would end it."""
    name = str(path)
    if not any(character in name for character in ';,"\\'):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
