import gzip
import hashlib
import shutil
import struct
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from latentlab_helpers import datasets, files

FILES = files.shipped("data/MNIST/raw")


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A copy of the published files, in a place where a test may damage them."""
    shutil.copytree(FILES, tmp_path / "data" / "MNIST" / "raw")
    monkeypatch.setattr(datasets, "shipped", lambda part: tmp_path / part)
    return tmp_path / "data" / "MNIST" / "raw"


@pytest.fixture
def shoes(tmp_path, monkeypatch):
    """Another data set, in colour and with names: five images of 2 × 4 pixels, of three classes."""
    images = torch.arange(5 * 3 * 2 * 4, dtype=torch.uint8).view(5, 3, 2, 4)
    labels = torch.tensor([2, 0, 1, 1, 2], dtype=torch.uint8)
    listed = []
    for name, content in (("images", images), ("labels", labels)):
        header = bytes([0, 0, 8, content.ndim]) + struct.pack(f">{content.ndim}I", *content.shape)
        packed = gzip.compress(header + content.numpy().tobytes())
        (tmp_path / f"{name}.gz").write_bytes(packed)
        listed.append((f"{name}.gz", hashlib.md5(packed, usedforsecurity=False).hexdigest()))
    source = datasets._Source("shoes", (3, 2, 4), ("boot", "shoe", "sandal"), {"all": tuple(listed)})
    monkeypatch.setitem(datasets._SOURCES, "shoes", source)
    monkeypatch.setattr(datasets, "shipped", lambda part: tmp_path)
    return images, labels


def test_shapes_and_types(train, test):
    assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64
    assert train.labels.shape == (60000,) and test.labels.shape == (10000,)


@pytest.mark.parametrize("split", ["train", "test"])
def test_agrees_with_torchvision(split, train, test, tmp_path):
    ours = {"train": train, "test": test}[split]
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file, _ in torchvision.datasets.MNIST.resources:
        (raw / file.removesuffix(".gz")).write_bytes(gzip.decompress((FILES / file).read_bytes()))
    theirs = torchvision.datasets.MNIST(tmp_path, train=split == "train", download=False)
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_the_checksums_are_torchvisions_and_those_in_the_data_readme():
    text = (FILES.parents[1] / "README.md").read_text("utf-8")
    listed = [entry for split in datasets._SOURCES["mnist"].files.values() for entry in split]
    assert sorted(listed) == sorted(torchvision.datasets.MNIST.resources)
    for file, md5 in listed:
        assert f"| {file} | {(FILES / file).stat().st_size} | {md5} |" in text


@pytest.mark.parametrize("split, each", [("train", 1000), ("test", 200)])
def test_the_part_of_fashion_mnist_is_balanced_and_as_it_was_published(split, each):
    data = datasets.load("fashion", split)
    assert data.images.shape == (10 * each, 1, 28, 28) and data.images.dtype == torch.uint8
    assert data.labels.bincount().tolist() == [each] * 10
    assert list(data.classes) == torchvision.datasets.FashionMNIST.classes
    text = (FILES.parents[1] / "README.md").read_text("utf-8")
    for file, md5 in datasets._SOURCES["fashion"].files[split]:
        size = files.shipped(f"data/fashion/{file}").stat().st_size
        assert f"| {file} | {size} | {md5} |" in text
    assert sum(path.stat().st_size for path in files.shipped("data/fashion").iterdir()) < 6e6


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A folder for what is fetched, and no way to fetch it."""

    def refuse(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return tmp_path


@pytest.mark.parametrize("name", ["cifar10", "fashion-all"])
def test_without_a_network_what_is_fetched_says_what_to_do(name, offline):
    with pytest.raises(
        datasets.DataError, match='can.t be fetched.*LATENTLAB_DATA.*"fashion" and "shapes"'
    ) as raised:
        datasets.load(name)
    assert str(offline) in str(raised.value)
    with pytest.raises(ValueError, match="ask for 'train' or 'test'"):
        datasets.load(name, "validation")


def test_without_torchvision_it_says_what_to_install(offline, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(datasets.DataError, match="pip install torchvision"):
        datasets.load("cifar10")


def test_what_torchvision_has_comes_as_an_image_set(offline, monkeypatch):
    """CIFAR-10 in torchvision's form, (n, height, width, channels), with three images in place of 50,000."""
    pixels = np.arange(3 * 32 * 32 * 3, dtype=np.uint8).reshape(3, 32, 32, 3)
    asked = []

    class Three:
        def __init__(self, folder, *, train, download):
            asked.append((folder, train, download))
            self.data, self.targets, self.classes = pixels, [1, 0, 1], ["airplane", "automobile"]

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Three)
    data = datasets.load("cifar10", "test")
    assert asked == [(offline, False, True)]
    assert data.images.shape == (3, 3, 32, 32) and data.images.is_contiguous()
    assert torch.equal(data.images[2, 1], torch.from_numpy(pixels[2, :, :, 1]))
    assert data.labels.tolist() == [1, 0, 1] and data.class_name(1) == "automobile"


def test_what_is_loaded_may_be_changed_and_is_whole_again_the_next_time(test):
    images = datasets.load("mnist", "test").images
    images[0] = 255
    assert torch.equal(datasets.load("mnist", "test").images, test.images)


def test_another_data_set_needs_an_entry_and_no_code(shoes):
    images, labels = data = datasets.load("shoes", "all")
    assert torch.equal(images, shoes[0]) and torch.equal(labels, shoes[1].long())
    assert [data.class_name(label) for label in labels] == ["sandal", "boot", "shoe", "shoe", "sandal"]
    with pytest.raises(ValueError, match="ask for 'all'"):
        datasets.load("shoes", "train")


def test_a_class_has_a_name_and_without_one_its_label_is_its_name(test):
    assert [test.class_name(label) for label in range(10)] == list("0123456789") == list(test.classes)
    named = datasets.ImageSet(test.images, test.labels, ("boot", "sandal"))
    assert [named.class_name(label) for label in (0, 1, 2, -1)] == ["boot", "sandal", "2", "-1"]
    assert named.class_name(torch.tensor(1)) == "sandal"
    assert datasets.ImageSet(test.images, test.labels).class_name(torch.tensor(7)) == "7"


def test_an_image_set_unpacks_and_keeps_its_parts(test):
    images, labels = test
    assert images is test.images and labels is test.labels
    with pytest.raises(AttributeError):
        test.labels = labels
    assert test == test and test != datasets.ImageSet(images.clone(), labels, test.classes)


def test_unknown_names_say_which_exist():
    with pytest.raises(ValueError, match="'cats'.*mnist"):
        datasets.load("cats")
    with pytest.raises(ValueError, match="'validation'.*'train' or 'test'"):
        datasets.load("mnist", "validation")


@pytest.mark.parametrize("file", ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
@pytest.mark.parametrize("damage", ["truncate", "alter", "empty", "remove"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(published, file, damage):
    path = published / file
    content = bytearray(path.read_bytes())
    content[9] ^= 1  # the byte that names the system it was packed on: no other check would notice
    path.write_bytes({"truncate": content[:-1000], "alter": content}.get(damage, b""))
    if damage == "remove":
        path.unlink()
    what = "can't read .*No such file" if damage == "remove" else "is truncated or altered"
    with pytest.raises(datasets.DataError, match=what) as raised:
        datasets.load("mnist", "test")
    assert f"git checkout -- {path}" in str(raised.value) and "install the course again" in str(raised.value)


def test_data_that_is_installed_is_read_from_there(published):
    """And nothing is written beside it, which may be a folder that a class can only read."""
    before = sorted(published.iterdir())
    published.chmod(0o555)
    try:
        assert len(datasets.load("mnist", "test").images) == 10000
    finally:
        published.chmod(0o755)
    assert sorted(published.iterdir()) == before


def test_a_file_that_is_a_folder_is_an_error_of_the_data(published):
    (published / "t10k-images-idx3-ubyte.gz").unlink()
    (published / "t10k-images-idx3-ubyte.gz").mkdir()
    with pytest.raises(datasets.DataError, match="can't read"):
        datasets.load("mnist", "test")


def test_images_and_labels_go_to_the_device(shoes):
    data = datasets.load("shoes", "all", device="meta")
    assert data.images.device.type == data.labels.device.type == "meta"


def test_to_float():
    bytes_ = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert torch.equal(datasets.to_float(bytes_), torch.tensor([0, 0.2, 1]))
    assert bytes_.tolist() == [0, 51, 255]
    floats = torch.rand(3)
    assert datasets.to_float(floats) is floats
    assert datasets.to_float(floats.double()).dtype == torch.float32
    with pytest.raises(ValueError, match="its .images.*not ImageSet"):
        datasets.to_float(datasets.ImageSet(floats, floats))


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        torch.full((2, 3, 4, 5), 255, dtype=torch.uint8),
        torch.zeros(1, 1, 1, 1),
        torch.ones(2, 7, 4, 4, dtype=torch.float64),
        torch.rand(2, 1, 4, 4).half(),
    ],
)
def test_images_pass_the_check(images):
    datasets.check_images(images)


@pytest.mark.parametrize(
    "images, message",
    [
        ([[0.5]], "must be a tensor.*not list"),
        (torch.zeros(2, 1, 4, 4).numpy(), "must be a tensor.*its .images.*not ndarray"),
        (torch.zeros(1, 28, 28), r"not \(1, 28, 28\); a single image: x\[None\]"),
        (torch.zeros(2, 784), r"not \(2, 784\)"),
        (torch.zeros(2, 3, 1, 4, 4), r"not \(2, 3, 1, 4, 4\)"),
        (torch.zeros(0, 1, 28, 28), r"n ≥ 1, not \(0, 1, 28, 28\)"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.int64), "uint8 or floats in .*not torch.int64"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.bool), "not torch.bool"),
        (torch.full((2, 1, 4, 4), 255.0), "reach from 255 to 255; divide"),
        (torch.tensor([0.0, 1.01]).view(2, 1, 1, 1), "from 0 to 1.01"),
        (torch.tensor([-0.01, 1.0]).view(2, 1, 1, 1), "from -0.01 to 1"),
        (torch.tensor([0.0, torch.nan]).view(2, 1, 1, 1), "nan"),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        datasets.check_images(images)


def test_the_check_looks_at_values_on_another_device_only_if_it_may_wait():
    """The device "meta" has no values, so that a look at them is an error, as on a GPU it is a wait."""
    images = torch.zeros(2, 1, 4, 4, device="meta")
    datasets.check_images(images, wait=False)
    with pytest.raises((RuntimeError, NotImplementedError)):
        datasets.check_images(images)
    with pytest.raises(ValueError, match="from 2 to 2"):
        datasets.check_images(torch.full((2, 1, 4, 4), 2.0), wait=False)
    for bad in (images[0], images.long()):
        with pytest.raises(ValueError, match="images must"):
            datasets.check_images(bad, wait=False)
