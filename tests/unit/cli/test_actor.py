"""Who the audit says ran a command."""

import os
import pwd

import pytest

from internal.cli.admin import actor


def test_it_is_the_user_of_the_process_and_not_one_that_a_variable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):  # getpass.getuser of Python 3.11 believes them
        monkeypatch.setenv(variable, "somebody-else")

    assert actor() == f"imagectl:{pwd.getpwuid(os.getuid()).pw_name}"


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)

    assert actor() == f"imagectl:{2**31 - 7}"
