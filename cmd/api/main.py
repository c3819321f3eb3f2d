"""Serve the API: `python -P cmd/api/main.py`."""

from internal.api.server import serve
from internal.settings.exposure import refuse_exposed_api
from internal.settings.startup import settings_or_exit
from internal.wiring.tokens import refuse_unusable_keys

if __name__ == "__main__":
    serve(settings_or_exit(refuse_exposed_api, refuse_unusable_keys))
