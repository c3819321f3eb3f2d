"""The codes of answers and of failed renditions, read off the table of problems."""

from documents.markdown import table
from internal.http.problems import known_problems


def problems() -> str:
    """Every code that an answer can have, with the sentence of its error."""
    rows = ((str(status), f"`{code}`", detail, "yes" if retry else "") for status, code, detail, retry in known_problems())
    return table(("Status", "Code", "Meaning", "`Retry-After`"), rows)
