"""Stale renditions: what they were asked for means another chain by now than the one that they were made by."""

from functools import lru_cache

from internal.domain.errors import InvalidProcessing
from internal.domain.rendition import Rendition
from internal.pipeline.language.grammar import Grammar


@lru_cache(maxsize=4096)
def meaning(grammar: Grammar, text: str) -> str | None:
    """The canonical chain that `text` means now; None when it means nothing any more, as when its preset is gone."""
    try:
        return grammar.parse(text).canonical
    except InvalidProcessing:
        return None


def is_stale(rendition: Rendition, grammar: Grammar) -> bool:
    """Whether the rendition would come out by another chain if it were asked for now. What can't be asked for is not stale."""
    return meaning(grammar, rendition.processing) not in (rendition.pipeline, None)
