import os

import pytest
import torch
from filelock import FileLock

from latentlab_helpers import datasets
from tools import browser

pytest.register_assert_rewrite("browser_helpers", "judge")


@pytest.fixture(scope="session")
def train():
    return datasets.load("mnist", "train")


@pytest.fixture(scope="session")
def test():
    return datasets.load("mnist", "test")


@pytest.fixture(scope="session")
def few(train):
    """A thousand training images, for tests of the machinery."""
    return train.images[:1000]


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A function that makes a folder once a run, whichever of its processes asks first: once(name, make)."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name, make):
        whole, part = base / name, base / f"{name}.part"
        with FileLock(base / f"{name}.lock"):
            if not whole.exists():
                part.mkdir()
                make(part)
                part.rename(whole)
        return whole

    return made


@pytest.fixture(scope="session")
def decks(once):
    """All decks of slides, as files."""

    def make(folder):
        from tools.slides import __main__ as slides

        for name, deck in slides.made(slides.names()).items():
            (folder / f"{name}.html").write_text(deck, "utf-8", newline="")

    return once("decks", make)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """Debian's Chromium, or whatever is installed: Playwright's own browsers would have to be downloaded."""
    found = browser.executable()
    if found is None:
        pytest.skip("no Chromium, Chrome or Edge was found: name one in LATENTLAB_BROWSER")
    return {**browser_type_launch_args, "executable_path": found, "args": browser.ARGUMENTS}


@pytest.fixture(scope="session")
def jupyter_lab(browser_type_launch_args, tmp_path_factory):
    """JupyterLab, one for all tests: its folder, and the address that opens a notebook in it, `{}`."""
    folder = tmp_path_factory.mktemp("lab")
    with browser.jupyter(folder) as address:
        yield folder, address
