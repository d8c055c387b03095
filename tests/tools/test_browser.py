"""How the tests and the bench start a browser."""

import importlib
import os

import pytest

from tools import browser


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no root")
@pytest.mark.parametrize("user, without", [(0, True), (1000, False)])
def test_the_sandbox_is_left_out_for_root_alone(monkeypatch, user, without):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    try:
        assert ("--no-sandbox" in importlib.reload(browser).ARGUMENTS) == without
    finally:
        monkeypatch.undo()
        importlib.reload(browser)
