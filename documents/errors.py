"""The codes of answers and of failed renditions, read off the table of problems."""

from http import HTTPStatus

from documents.markdown import table
from internal.domain.errors import ClientGone, ServiceError
from internal.http.problems import CODE_OF_STATUS, RETRY_LATER, STATUS


def problems() -> str:
    """Every code that an answer can have, with the sentence of its error."""
    told = {
        (status, kind.code): (kind().detail, "yes" if kind in RETRY_LATER else "")
        for kind, status in STATUS.items()
        if kind is not ClientGone
    }
    codes = {code for _, code in told}
    told |= {
        (status, code): (f"{HTTPStatus(status).description}.", "") for status, code in CODE_OF_STATUS.items() if code not in codes
    }
    told[500, ServiceError.code] = (ServiceError().detail, "")
    rows = ((str(status), f"`{code}`", detail, retry) for (status, code), (detail, retry) in sorted(told.items()))
    return table(("Status", "Code", "Meaning", "`Retry-After`"), rows)
