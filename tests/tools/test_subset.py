"""The part of Fashion-MNIST: which images it takes, and that the same originals give the same bytes."""

import gzip

import pytest
import torch

from latentlab_helpers import datasets
from tools import subset


def test_it_takes_the_first_of_each_class_in_their_order():
    labels = torch.tensor([2, 0, 2, 1, 0, 2, 1, 1, 0])
    assert subset.first_of_each(labels, 2).tolist() == [0, 1, 2, 3, 4, 6]


def test_what_is_packed_is_read_again_and_has_no_time_in_it(tmp_path):
    values = torch.arange(2 * 3 * 4, dtype=torch.uint8).view(2, 3, 4)
    content = subset.packed(values)
    assert content == subset.packed(values) and content[4:8] == bytes(4), "the time it was packed at"
    path = tmp_path / "values.gz"
    path.write_bytes(content)
    assert torch.equal(datasets._read(path, datasets.hashlib.md5(content).hexdigest()), values)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_shipped_part_is_of_the_originals(split):
    """Where the originals are."""
    shipped = datasets.load("fashion", split)
    if not (subset.DATA / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("Fashion-MNIST's originals aren't in data/: python course.py subset fetches them")
    images, labels = subset.original(split)
    chosen = subset.first_of_each(labels, subset.EACH[split])
    assert torch.equal(shipped.images[:, 0], images[chosen])
    assert torch.equal(shipped.labels, labels[chosen].long())
    name = datasets._SOURCES["fashion"].files[split][0][0]
    assert gzip.decompress(subset.packed(images[chosen])) == gzip.decompress(
        (subset.DATA / "fashion" / name).read_bytes()
    )
