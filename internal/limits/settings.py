"""The settings of rate limits and quotas."""

import re
from typing import Annotated

from msgspec import Struct

from internal.domain.rates import Rate
from internal.runtime.section import SettingsError, env

_RATE = re.compile(r"(?P<allowed>[1-9][0-9]{0,14})/(?P<seconds>[1-9][0-9]{0,7})")
"""Of 15 digits at most: that is what an Integer of a structured field has (RFC 9651, 3.3.1)."""

MAX_SECONDS = 366 * 24 * 3600


class RateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Each is a number of units, `/`, and seconds, as in `100/60`; empty: no limit."""

    requests: Annotated[
        str,
        env(
            "RATE_LIMIT_REQUESTS",
            "Requests of one owner, or of one address without a credential, to one API process: `100/60` allows 100 at once and "
            "100 in each further 60 seconds. Empty: no limit.",
        ),
    ]
    uploads: Annotated[
        str,
        env(
            "RATE_LIMIT_UPLOADS", "Uploads of one owner or address to the whole service, written like `100/60`. Empty: no limit."
        ),
    ]
    upload_bytes: Annotated[
        str,
        env(
            "RATE_LIMIT_UPLOAD_BYTES",
            "Bytes of uploads of one owner or address to the whole service, written like `100/60`. Empty: no limit.",
        ),
    ]

    def validate(self) -> None:
        for variable, text in (
            ("RATE_LIMIT_REQUESTS", self.requests),
            ("RATE_LIMIT_UPLOADS", self.uploads),
            ("RATE_LIMIT_UPLOAD_BYTES", self.upload_bytes),
        ):
            try:
                rate_of(text)
            except ValueError as error:
                raise SettingsError(f"{variable}: {error}") from error


def rate_of(text: str) -> Rate | None:
    """The rate that a setting's text stands for. Raises ValueError, which says what is wrong."""
    if not text.strip():
        return None
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r}: expected units and seconds such as 100/60, both at least 1")
    seconds = int(found["seconds"])
    if seconds > MAX_SECONDS:
        raise ValueError(f"{seconds} seconds are more than a year")
    return Rate(int(found["allowed"]), seconds)


AMOUNT = r"^([0-9]{1,18}|[0-9]{1,6}[KMGT])?$"
"""An amount as internal/limits/amounts.py reads it, or nothing."""


class QuotaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    images: Annotated[
        str,
        env("QUOTA_IMAGES", "Images that an owner may have. Empty: no limit.", pattern=AMOUNT),
    ]
    bytes: Annotated[
        str,
        env(
            "QUOTA_BYTES", "Bytes that an owner may have, originals and renditions, such as 10G. Empty: no limit.", pattern=AMOUNT
        ),
    ]
    queued: Annotated[
        str,
        env("QUOTA_QUEUED", "Renditions of one owner that may wait or be in work at once. Empty: no limit.", pattern=AMOUNT),
    ]
