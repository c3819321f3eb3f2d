"""Text that `make run` prints when the service is ready."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from internal.http.loopback import listens_on_loopback
from internal.runtime.project import PROJECT
from internal.settings.sections import Settings

PICTURE = PROJECT / "docs/pictures/landscape.jpg"


def welcome(address: str, places: Iterable[str], settings: Settings) -> str:
    """Return the text: addresses, the places of the data, who may come in, and complete commands that upload a picture."""
    image = shlex.quote(f"image=@{_for_curl(PICTURE)}")
    who, first, commands, credential = _access(settings)
    upload = f"curl {credential}-F {image} -F processing=resize:300x300 {address}/api/v1/images"
    return "\n".join(
        (
            "",
            f"  The image processor is ready:  {address}",
            f"  Documentation:                 {address}/docs",
            f"  Data:                          {', '.join(places)}",
            f"  Who may use it:                {who}",
            "",
            f"  {first}, in another terminal:",
            "",
            *(f"  {command}" for command in (*commands, upload)),
            "",
        )
    )


def _access(settings: Settings) -> tuple[str, str, list[str], str]:
    """Who may use the service, what to do first, the commands for that, and the options with which curl is let in."""
    mode = settings.auth.mode
    if mode == "none":
        who = "every program on this machine" if listens_on_loopback(settings.server.host) else "everybody who reaches it"
        return f"{who} (AUTH_MODE=none)", "Upload a picture", [], ""
    if "key" in settings.auth.kinds:
        who = f"whoever has an API key{' or a token' if 'jwt' in settings.auth.kinds else ''} (AUTH_MODE={mode})"
        make = f"KEY=$({_imagectl(settings)} keys create --owner me --scopes images:read,images:write)"
        return who, "Make a key, and upload a picture with it", [make], '-H "Authorization: Bearer $KEY" '
    who = f"whoever has a token (AUTH_MODE={mode})"
    return who, "Upload a picture with a token in $TOKEN", [], '-H "Authorization: Bearer $TOKEN" '


def _imagectl(settings: Settings) -> str:
    """The command that works on this service's data, from any folder and with any variables."""
    data = settings.standalone.folder
    variables = ["APP_PROFILE=standalone", *([] if data == PROJECT / "data" else [f"DATA_PATH={shlex.quote(str(data))}"])]
    return " ".join((*variables, shlex.quote(str(Path(sys.executable).with_name("imagectl")))))


def _for_curl(path: Path) -> str:
    """Return a path for `curl -F`, in quotes if it has a character that would end it."""
    name = str(path)
    if not any(character in name for character in ';,"\\'):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
