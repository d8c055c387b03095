import pytest
import torch

from latentlab_helpers import datasets


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
