import errno
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import torchvision

from latentlab_helpers import datasets, devices, files

FILES = Path(files.PACKAGE).parent / "data" / "MNIST" / "raw"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A copy of the published files that a test may damage, and an empty cache."""
    folder = tmp_path / "published"
    shutil.copytree(FILES, folder)
    monkeypatch.setattr(datasets, "_published", lambda name: folder)
    monkeypatch.setenv("LATENTLAB_CACHE", str(tmp_path / "cache"))
    return folder


def unpacked(tmp_path):
    return tmp_path / "cache" / "MNIST" / "raw" / "train-images-idx3-ubyte"


def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def test_shapes_and_types(train, test):
    assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64
    assert train.labels.shape == (60000,) and test.labels.shape == (10000,)


@pytest.mark.parametrize("split", ["train", "test"])
def test_agrees_with_torchvision(split, published, tmp_path):
    ours = datasets.load("mnist", split)
    theirs = torchvision.datasets.MNIST(tmp_path / "cache", train=split == "train", download=False)
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_the_images_are_mapped_and_the_file_is_never_written(published, tmp_path):
    images = datasets.load().images
    before = images[0].clone()
    images[0] = 255
    assert torch.equal(datasets.load().images[0], before)
    if sys.platform == "linux":
        assert str(unpacked(tmp_path)) in Path("/proc/self/maps").read_text()


def test_unknown_names_say_which_exist():
    with pytest.raises(ValueError, match="'cats'.*mnist"):
        datasets.load("cats")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        datasets.load("mnist", "validation")
    assert datasets.names() == ["mnist"]


@pytest.mark.parametrize("damage", ["truncate", "alter", "empty"])
def test_a_damaged_published_file_is_an_error_that_says_what_to_do(published, damage):
    file = published / "train-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes({"truncate": content[:100000], "alter": content, "empty": b""}[damage])
    with pytest.raises(datasets.DataError, match="truncated or altered.*git checkout"):
        datasets.load()


@pytest.mark.parametrize("damage", ["truncate", "alter", "empty", "missing"])
def test_a_damaged_cache_heals_itself(published, tmp_path, damage):
    good = datasets.load().images[:100].clone()
    file = unpacked(tmp_path)
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.unlink()
    if damage != "missing":
        file.write_bytes({"truncate": content[:100000], "alter": content, "empty": b""}[damage])
    assert torch.equal(datasets.load().images[:100], good)
    assert len(list(file.parent.parent.parent.iterdir())) == 1, "something was left behind"


def test_no_network_and_no_local_copy(published, monkeypatch):
    no_network(monkeypatch)
    (published / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(datasets.DataError, match="neither in .* downloaded"):
        datasets.load()


def test_what_is_missing_locally_is_downloaded(published, monkeypatch):
    """torchvision fetches what the repository lacks; a server on this machine stands in for the mirror."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    (published / "t10k-labels-idx1-ubyte.gz").unlink()
    handler = functools.partial(Handler, directory=str(FILES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [address])
        assert len(datasets.load("mnist", "test").labels) == 10000
        server.shutdown()


def test_an_unwritable_cache_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LATENTLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(datasets.DataError, match="LATENTLAB_CACHE"):
        datasets.load()


def test_a_home_that_cannot_be_written_falls_back_to_a_temporary_folder(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.delenv("LATENTLAB_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *args, **kwargs: tmp_path / "file" / "cache")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert datasets._writable_cache().parent == tmp_path


def test_a_user_without_a_home_has_a_cache_all_the_same(monkeypatch, tmp_path):
    def homeless(*args, **kwargs):
        raise RuntimeError("Could not determine home directory")

    monkeypatch.delenv("LATENTLAB_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", homeless)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert datasets._writable_cache().parent == tmp_path


def test_a_complete_cache_need_not_be_writable(published, monkeypatch):
    """A class shares one folder that only the teacher may write to."""
    datasets.load()

    def refuse(name, cache):
        raise AssertionError("there is nothing to fill")

    monkeypatch.setattr(datasets, "_fill", refuse)
    monkeypatch.setattr(datasets, "_writable_cache", refuse)
    assert len(datasets.load().images) == 60000


def test_a_full_disk_says_so(published, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(datasets.DataError, match="Free some space.*LATENTLAB_CACHE"):
        datasets.load()


def test_several_processes_may_fill_the_cache_at_once(tmp_path):
    code = "from latentlab_helpers import datasets; print(int(datasets.load().images[:9].sum()))"
    env = {**os.environ, "LATENTLAB_CACHE": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE) for _ in range(3)
    ]
    answers = {process.communicate()[0] for process in running}
    assert len(answers) == 1 and b"" not in answers


def test_the_validation_split_is_a_partition_chosen_by_seed(test):
    kept, held_out = datasets.split(test, validation=1000, seed=1)
    assert len(kept.images) == len(kept.labels) == 9000 and len(held_out.images) == 1000
    together = torch.cat([kept.images, held_out.images]).flatten(1)
    assert torch.equal(together.sum(0, dtype=torch.int64), test.images.flatten(1).sum(0, dtype=torch.int64))
    again = datasets.split(test, validation=1000, seed=1)[1]
    other = datasets.split(test, validation=1000, seed=2)[1]
    assert torch.equal(held_out.images, again.images) and not torch.equal(held_out.images, other.images)
    index = (test.images == held_out.images[7]).flatten(1).all(1).nonzero()[0]
    assert held_out.labels[7] == test.labels[index]


@pytest.mark.parametrize("size", [0, -1, 10000, 0.1])
def test_a_split_that_leaves_nothing_is_refused(test, size):
    with pytest.raises(ValueError, match="validation must be a number of images between 1 and 9999"):
        datasets.split(test, validation=size)


def test_to_float():
    assert torch.equal(
        datasets.to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)), torch.tensor([0, 0.2, 1])
    )
    floats = torch.rand(3)
    assert datasets.to_float(floats) is floats
    assert datasets.to_float(floats.double()).dtype == torch.float32
    with pytest.raises(TypeError, match="its .images"):
        datasets.to_float(datasets.ImageSet(floats, floats))


def test_images_and_labels_go_to_the_device():
    assert {part.device.type for part in datasets.load("mnist", "test", device="meta")} == {"meta"}


def test_the_device_can_be_overridden(monkeypatch):
    monkeypatch.setenv("LATENTLAB_DEVICE", "meta")
    assert devices.default_device() == torch.device("meta")
    for name in ("gpu", "cuda:77"):
        monkeypatch.setenv("LATENTLAB_DEVICE", name)
        with pytest.raises(ValueError, match="LATENTLAB_DEVICE is"):
            devices.default_device()
    monkeypatch.delenv("LATENTLAB_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.default_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.default_device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.default_device().type == "cpu"


def test_the_checksums_are_those_in_the_data_readme():
    text = (FILES.parent.parent / "README.md").read_text("utf-8")
    for file, md5 in torchvision.datasets.MNIST.resources:
        assert f"| {file} | {(FILES / file).stat().st_size} | {md5} |" in text
