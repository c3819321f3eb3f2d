"""Errors that end the program, with one line on the terminal and an exit code (argparse's own is 2)."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


class CommandError(Exception):
    """The command has failed. The text is one sentence for a person."""

    exit_code = EXIT_FAILED


class UsageError(CommandError):
    """The arguments are invalid."""

    exit_code = EXIT_USAGE


class Unreachable(CommandError):
    """No service answers at the address."""

    exit_code = EXIT_UNREACHABLE


class Unanswered(Unreachable):
    """The request was sent and no response came; the service may have carried it out."""


class ServiceProblem(CommandError):
    """The service answered with a problem document. `retry_after` is in seconds, or None. `hint`: what to do with imagectl."""

    def __init__(self, status: int, code: str, detail: str, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(f"{status} {code}: {detail} {hint}".rstrip())
        self.status, self.code, self.retry_after = status, code, retry_after
