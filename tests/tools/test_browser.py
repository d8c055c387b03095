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


def test_a_browser_without_windows_comes_first_and_a_named_one_before_it(monkeypatch):
    there = {"chromium": "/bin/chromium", "google-chrome": "/bin/chrome"}
    monkeypatch.delenv("LATENTLAB_BROWSER", raising=False)
    monkeypatch.setattr(browser.shutil, "which", there.get)
    monkeypatch.setattr(browser.os.path, "exists", lambda path: path == browser.PLACES[1])
    assert browser.executable() == "/bin/chromium"
    there["chromium-headless-shell"] = "/bin/shell"
    assert browser.executable() == "/bin/shell"
    there.clear()
    assert browser.executable() == browser.PLACES[1]
    monkeypatch.setattr(browser.os.path, "exists", lambda path: False)
    assert browser.executable() is None
    monkeypatch.setenv("LATENTLAB_BROWSER", "/my/browser")
    assert browser.executable() == "/my/browser"
