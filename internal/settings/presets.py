"""The pipelines of the configuration, checked before anything starts."""

from internal.domain.errors import InvalidProcessing
from internal.intake.settings import LimitSettings, ProcessingSettings
from internal.pipeline.language.grammar import Grammar
from internal.runtime.section import SettingsError


def configured_grammar(processing: ProcessingSettings, limits: LimitSettings) -> Grammar:
    """The grammar with the configured presets.

    Raises SettingsError, which names the variable, for a pipeline or an installed operation that can't be used.
    """
    try:
        grammar = Grammar(presets=processing.presets, max_operations=limits.max_operations, auto=processing.format_auto)
    except InvalidProcessing as error:
        raise SettingsError(f"PRESETS (processing.presets): {error.detail}") from error
    except ValueError as error:
        raise SettingsError(str(error)) from error
    try:
        grammar.parse(processing.default)
    except InvalidProcessing as error:
        raise SettingsError(f"DEFAULT_PROCESSING (processing.default): {error.detail}") from error
    return grammar
