"""Installer of .venv: `python3 cmd/setup/main.py run` installs the packages for running, `… dev` all packages.

The locks pin every package with its hash. uv installs them: the uv on PATH, or one that pip downloads into .venv/uv from
requirements-uv.lock. If uv fails, or with INSTALLER=pip, pip installs them, which takes longer.

This runs before anything is installed, so it imports the standard library only.
"""

import ast
import importlib.util
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin/python"
OWN_UV = VENV / "uv"

LOCKS = {"run": ("requirements-runtime.lock", "requirements-standalone.lock"), "dev": ("requirements.lock",)}

IN_UV = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("ALL_PROXY",),
}
"""A setting of pip, and the variables of uv with the same meaning. If one of them is set, it takes precedence."""


def main(what: str) -> None:
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(VENV)], check=True)
    locks = [argument for lock in LOCKS[what] for argument in ("--requirement", lock)]
    if os.environ.get("INSTALLER") != "pip" and _install_with_uv(locks):
        return
    if not _install([*_pip(), "--python", str(PYTHON), "install", "--disable-pip-version-check"], locks, _for_pip()):
        sys.exit(1)


def _install(command: Sequence[str], locks: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Install the locked packages, then this project as a link to its folder. Prints errors, and returns False then."""
    run = partial(subprocess.run, cwd=PROJECT, env=environ, check=False)
    steps = (["--require-hashes", *locks], ["--no-build-isolation", "--editable", "."])  # the locks include the build backend
    try:
        return all(run([*command, "--quiet", "--no-deps", *step]).returncode == 0 for step in steps)
    except OSError as error:  # a program for another machine
        print(error, file=sys.stderr)
        return False


def _install_with_uv(locks: Sequence[str]) -> bool:
    uv = shutil.which("uv") or _own_uv()
    if uv is None:
        return False
    settings = pip_settings()
    command = [uv, "pip", "install", "--python", str(PYTHON)]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        command.append("--no-index")
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):  # without it, the first start compiles what it imports: a tenth of the files
        command.append("--compile-bytecode")
    if _install(command, locks, uv_environment(settings, os.environ)):
        return True
    print("uv could not install, see above. Trying pip, which takes longer …", file=sys.stderr)
    return False


def _own_uv() -> str | None:
    """Return the uv in .venv, downloaded if it is missing. None if it is not available."""
    program = OWN_UV / "bin/uv"
    if not program.exists():
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:", "--upgrade"]
        places = ["--target", str(OWN_UV), "--requirement", "requirements-uv.lock"]
        command = [*_pip(), "install", *options, *places]
        done = subprocess.run(command, cwd=PROJECT, env=_for_pip(), stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode or not program.exists():
            shutil.rmtree(OWN_UV, ignore_errors=True)
            reason = done.stderr.strip().rpartition("\n")[2]
            print(f"uv is not available ({reason}). pip installs instead, which takes longer …", file=sys.stderr)
            return None
    return str(program)


def _pip() -> list[str]:
    """Return the command of this Python's pip. If it has none, as on Debian, use the wheel that `venv` would install.

    Raises LookupError if there is neither.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    ensurepip = importlib.util.find_spec("ensurepip")
    if ensurepip and ensurepip.origin:
        folder = Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.origin).with_name("_bundled"))
        for wheel in folder.glob("pip-*.whl"):
            return [sys.executable, str(wheel / "pip")]
    raise LookupError("This Python has neither pip nor ensurepip. Install one of them (Debian, Ubuntu: python3-venv).")


def _for_pip() -> dict[str, str]:
    """Return the environment without two user settings that conflict with the explicit target of the installation."""
    return {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0"}


def pip_settings() -> dict[str, str]:
    """Return the settings of pip's command `install`, from its files and variables."""
    settings: dict[str, str] = {}
    try:
        command = [*_pip(), "config", "list"]
    except LookupError:  # with uv on PATH, no pip is needed
        return {name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name.startswith("PIP_")}
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    pairs = (line.split("=", 1) for line in listed.splitlines() if "=" in line)
    values = {name: str(ast.literal_eval(value)) for name, value in pairs}
    for section in ("global.", "install.", ":env:."):  # the later ones win, as in pip
        settings |= {name.removeprefix(section): value for name, value in values.items() if name.startswith(section)}
    return settings


def uv_environment(settings: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with which uv uses pip's indexes. Addresses may have passwords, so no argument or file has them."""
    variables = {name: value for name, value in environ.items() if name not in ("UV_SYSTEM_PYTHON", "UV_PYTHON")}
    for setting, names in IN_UV.items():
        values = settings.get(setting, "").split()
        if setting == "find-links":
            values = [value for value in values if "://" in value or Path(value).is_dir()]  # pip ignores a missing folder
        if values and not any(name in environ for name in names):
            variables[names[0]] = ("," if setting == "find-links" else " ").join(values)
    if _has_certificates() and "UV_NATIVE_TLS" not in environ:  # pip has trusted the system's since 24.2
        variables.setdefault("UV_SYSTEM_CERTS", "true")
    variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip; the hash decides, whichever index has the file
    return variables


def _has_certificates() -> bool:
    """True if the system has root certificates. A small container may have none, and uv has its own."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (bool(paths.capath) and any(Path(paths.capath).iterdir()))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd))}: exit code {error.returncode}")
    except LookupError as error:
        sys.exit(str(error))
