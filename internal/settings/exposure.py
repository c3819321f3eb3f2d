"""What a process may start with, by the address on which it listens.

Only programs of this machine reach a loopback address. On any other address nobody comes in without showing who they are, and no
secret may be one that stands in a document.
"""

import re
from collections.abc import Iterator

import structlog

from internal.http.loopback import listens_on_loopback
from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError
from internal.settings.sections import Setting, Settings, every_setting

log = structlog.get_logger(__name__)

EXAMPLES = frozenset(
    {"admin", "changeit", "changeme", "change-me", "example", "minioadmin", "password", "postgres", "root", "secret", "test"}
)
"""Values that are no secret: default passwords of well-known servers, and what people write until they think of a better one.

The documents show no other value of a secret (tests/unit/documents/test_example_secrets.py).
"""


def refuse_exposed_api(settings: Settings) -> None:
    """Raise SettingsError for an API that other machines reach, if everybody may come in or a secret is an example.

    INVARIANT: AUTH_MODE=none listens on loopback only, unless AUTH_ALLOW_ANONYMOUS is true
    (tests/unit/settings/test_exposure.py::test_an_open_api_is_for_this_machine).
    """
    auth, host = settings.auth, settings.server.host
    if listens_on_loopback(host):
        return
    if auth.mode == "none" and not auth.allow_anonymous:
        raise SettingsError(
            f"SERVER_HOST (server.host): other machines reach {_shown(host)}, and with AUTH_MODE=none everybody may read, add "
            "and delete images. Set AUTH_MODE=key, or SERVER_HOST=127.0.0.1, or AUTH_ALLOW_ANONYMOUS=true if that is meant"
        )
    _refuse_examples(settings, "SERVER_HOST", host)


def refuse_exposed_worker(settings: Settings) -> None:
    """Raise SettingsError for a worker that other machines reach, if a secret is an example."""
    if not listens_on_loopback(settings.worker.host):
        _refuse_examples(settings, "WORKER_HOST", settings.worker.host)


def warn_of_open_doors(settings: Settings) -> None:
    """Log a line if everybody who reaches the API may come in, and a line for each secret that is an example."""
    host = settings.server.host
    if settings.auth.mode == "none":
        who = "every program on this machine" if listens_on_loopback(host) else f"everybody who reaches {_shown(host)}"
        log.warning("auth.none", detail=f"AUTH_MODE is none: {who} may read, add and delete images.")
    for setting in example_secrets(settings):
        log.warning("secret.example", variable=setting.variable, detail="Its value is an example that everybody knows.")


def example_secrets(settings: Settings) -> Iterator[Setting]:
    """The secrets in use whose value, or a part of it between commas and colons, is an example."""
    for setting in every_setting():
        if setting.secret and setting.section in settings.sections:
            secret: Secret = getattr(getattr(settings, setting.section), setting.name)
            value = secret.reveal().lower()
            if EXAMPLES & {value, *re.split("[,:]", value)}:
                yield setting


def _refuse_examples(settings: Settings, variable: str, host: str) -> None:
    for setting in example_secrets(settings):
        raise SettingsError(
            f"{setting.variable} ({setting.path}): its value is an example that everybody knows, and {variable} is "
            f"{_shown(host)}, which other machines reach. Set a secret of your own"
        )


def _shown(host: str) -> str:
    return host or "every address"
