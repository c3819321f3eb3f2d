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
