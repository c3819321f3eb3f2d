"""Who may read an image's results: its owner, or anybody who has its id."""

from enum import StrEnum


class Visibility(StrEnum):
    """Of the results. The original stays with the owner in either case: it holds what the camera wrote, such as the place."""

    PRIVATE = "private"
    PUBLIC = "public"
