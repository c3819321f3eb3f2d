"""What `make run` prints when the service is ready."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from internal.runtime.project import PROJECT

PICTURE = PROJECT / "docs/pictures/landscape.jpg"


def welcome(address: str, places: Iterable[str]) -> str:
    """Where the service is and where its data are, and a command that uploads a picture as it stands."""
    image = shlex.quote(f"image=@{_for_curl(PICTURE)}")
    return f"""
  The image processor is ready:  {address}
  Documentation:                 {address}/docs
  Data:                          {", ".join(places)}

  Upload a picture, in another terminal:

  curl -F {image} -F processing=resize:300x300 {address}/api/v1/images
"""


def _for_curl(path: Path) -> str:
    """A file's name as `curl -F` takes it: within quotes if it has a character that ends a name there."""
    name = str(path)
    if not any(character in name for character in ';,"\\'):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
