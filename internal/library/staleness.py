"""Stale renditions: the text that was asked for means another chain now than the one that was used."""

from functools import lru_cache

from internal.domain.errors import InvalidProcessing
from internal.domain.rendition import Rendition
from internal.pipeline.language.grammar import Grammar


@lru_cache(maxsize=4096)
def meaning(grammar: Grammar, text: str) -> str | None:
    """The canonical chain that `text` means now; None if it is no chain any more, for example because its preset is gone."""
    try:
        return grammar.parse(text).canonical
    except InvalidProcessing:
        return None


def is_stale(rendition: Rendition, grammar: Grammar) -> bool:
    """True if the same request would use another chain now. A text that is no chain any more is not stale."""
    return meaning(grammar, rendition.processing) not in (rendition.pipeline, None)
