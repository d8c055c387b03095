import pytest
import torch

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
