"""What ends the program: one line on the terminal, and an exit code that a script can tell apart (argparse's own is 2)."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


class CommandError(Exception):
    """The command can't do what was asked; the text is one sentence for a person."""

    exit_code = EXIT_FAILED


class UsageError(CommandError):
    """What was typed makes no sense."""

    exit_code = EXIT_USAGE


class Unreachable(CommandError):
    """Nobody answers at the address."""

    exit_code = EXIT_UNREACHABLE


class Unanswered(Unreachable):
    """Somebody took the request and has not answered: it may have been done."""


class Refused(CommandError):
    """The service said no: `status` and `code` are its problem's; `retry_after` in seconds, when it asks to come again."""

    def __init__(self, status: int, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.retry_after = status, code, retry_after
