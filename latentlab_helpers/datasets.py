"""A data set as two tensors, images and labels.

The published files lie in the repository (`data/`) or in the installed package. torchvision checks
and unpacks them once into a per-user cache; from there they are mapped into memory, so every kernel
on the machine shares one copy. `LATENTLAB_CACHE` names another folder for that cache.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs
import torch

from .files import shipped


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels, one row each; it unpacks as ``images, labels``.

    Attributes
    ----------
    images : torch.Tensor
        uint8, (n, channels, height, width).
    labels : torch.Tensor
        int64, (n,).
    classes : tuple of str
        The names of the labels 0, 1, …; without any, a label is its own name.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter((self.images, self.labels))

    def class_name(self, label: int) -> str:
        """The name of a class: "ankle boot", or "7"."""
        return self.classes[label] if label < len(self.classes) else str(label)


class DataError(RuntimeError):
    """A data set's files are missing, damaged, or can't be written."""


class _Source(NamedTuple):
    torchvision_class: str
    images: tuple[int, int, int]  # channels, height, width
    sha256: dict[str, str]  # of each file once unpacked, which torchvision doesn't check


_SOURCES = {
    "mnist": _Source(
        "MNIST",
        (1, 28, 28),
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
}
_PREFIX = {"train": "train", "test": "t10k"}


def names() -> list[str]:
    """The data sets that `load` knows."""
    return sorted(_SOURCES)


def load(name: str = "mnist", split: str = "train", device: torch.device | str = "cpu") -> ImageSet:
    """The images and labels of one split ("train" or "test"). Taught in notebook 01.

    Returns uint8 images (n, 1, 28, 28) and int64 labels (n,); MNIST has 60,000 training and 10,000
    test images. On the CPU, where plots and scikit-learn want them, the images are a copy-on-write map
    of the cached file; `training.fit` moves them to the model's device.
    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

    Raises ValueError for an unknown name or split, DataError if the files are damaged or missing.
    """
    if name not in _SOURCES:
        raise ValueError(f"there is no data set {name!r}; the course has: {', '.join(names())}")
    if split not in _PREFIX:
        raise ValueError(f"there is no split {split!r}; ask for 'train' or 'test'")
    source, prefix = _SOURCES[name], _PREFIX[split]
    # An IDX file is a big-endian header (magic number, then one size a dimension) and the bytes.
    images = _cached(name, f"{prefix}-images-idx3-ubyte", header=16).view(-1, *source.images)
    labels = _cached(name, f"{prefix}-labels-idx1-ubyte", header=8).long()
    return ImageSet(images.to(device), labels.to(device))


def split(data: ImageSet, validation: int = 5000, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Set `validation` images aside, chosen at random by `seed`: (training set, validation set).

    Raises ValueError if nothing would be left to train on, or nothing to validate with.
    """
    n = len(data.images)
    if not (isinstance(validation, int) and 0 < validation < n):
        raise ValueError(f"validation must be a number of images between 1 and {n - 1}, not {validation}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    held_out, kept = (
        part.sort().values.to(data.images.device) for part in order.split([validation, n - validation])
    )
    return (
        ImageSet(data.images[kept], data.labels[kept]),
        ImageSet(data.images[held_out], data.labels[held_out]),
    )


def mapped(path: str | os.PathLike) -> torch.Tensor:
    """The images of a .npy file, uint8 (n, channels, height, width), mapped into memory and not loaded.

    `training.fit` takes them like any others, also if they are larger than the memory: the system reads the
    pages that a batch needs and drops them again. They can't be written to: that would end the process.

    Raises DataError if the file isn't there or holds something else.
    """
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"can't read {path} ({error}); numpy.save writes such a file") from error
    if images.dtype != np.uint8 or images.ndim != 4:
        raise DataError(
            f"{path} holds {images.dtype} of shape {images.shape}; needed are uint8 images of shape "
            "(n, channels, height, width)"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(images)


def check_images(images: torch.Tensor) -> None:
    """Refuse what no model and no measure can take: the one check of images.

    Parameters
    ----------
    images : torch.Tensor
        (n, channels, height, width) with n ≥ 1; uint8, or floats in [0, 1].

    Raises
    ------
    ValueError
        For anything else, with what to do about it.
    """
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"images must be a tensor (of a data set, its .images), not {type(images).__name__}")
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images must have the shape (n, channels, height, width) with n ≥ 1, not {tuple(images.shape)}; "
            "a single image: x[None]"
        )
    if images.dtype == torch.uint8:
        return
    if not images.is_floating_point():
        raise ValueError(f"images must be uint8 or floats in [0, 1], not {images.dtype}")
    low, high = (value.item() for value in images.detach().aminmax())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"images must lie in [0, 1], but these reach from {low:g} to {high:g}; "
            "pass the uint8 images as they are, or divide them by 255"
        )


def to_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 images 0 … 255 as float32 in [0, 1]; floats keep their values. Taught in notebook 01."""
    if not isinstance(images, torch.Tensor):
        raise TypeError(f"images must be a tensor (of a data set, its .images), not {type(images).__name__}")
    return images.float().div_(255) if images.dtype == torch.uint8 else images.float()


def _cached(name: str, file: str, header: int) -> torch.Tensor:
    """The bytes of an unpacked file after its header, memory-mapped once its checksum holds."""
    raw = Path(_SOURCES[name].torchvision_class) / "raw"
    path = next((folder / raw / file for folder in _caches() if _intact(name, folder / raw / file)), None)
    if path is None:
        cache = _writable_cache()
        _fill(name, cache)
        path = cache / raw / file
    # "c" is copy on write: pages are shared between processes, and the file stays as it is.
    return torch.from_numpy(np.memmap(path, np.uint8, mode="c", offset=header))


def _intact(name: str, path: Path) -> bool:
    try:
        content = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError):  # not there, not ours to read, or empty
        return False
    return hashlib.sha256(content).hexdigest() == _SOURCES[name].sha256[path.name]


def _caches() -> list[Path]:
    """Where the cache may be: LATENTLAB_CACHE and nowhere else, or the user's folder, or a temporary one."""
    if chosen := os.environ.get("LATENTLAB_CACHE"):
        return [Path(os.path.expanduser(chosen))]
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folders = [Path(tempfile.gettempdir()) / f"latentlab-{user}"]
    with contextlib.suppress(RuntimeError):  # a user without a home
        folders.insert(0, platformdirs.user_cache_path("latentlab", appauthor=False))
    return folders


def _writable_cache() -> Path:
    for folder in _caches():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    raise DataError(
        f"can't write to {' or '.join(map(str, _caches()))}; "
        "set the environment variable LATENTLAB_CACHE to a folder that you may write to"
    )


def _published(name: str) -> Path:
    """The folder that holds the published .gz files."""
    return shipped(f"data/{_SOURCES[name].torchvision_class}/raw")


def _fill(name: str, cache: Path) -> None:
    """Unpack the published files into the cache; each appears there whole, or not at all."""
    import torchvision  # slow to import, and needed only here
    from torchvision.datasets.utils import check_integrity

    kind = getattr(torchvision.datasets, _SOURCES[name].torchvision_class)
    folder = cache / kind.__name__ / "raw"
    try:
        with tempfile.TemporaryDirectory(prefix="unpacking-", dir=cache) as root:
            raw = Path(root) / kind.__name__ / "raw"
            raw.mkdir(parents=True)
            for file, md5 in kind.resources:
                if not (published := _published(name) / file).is_file():
                    continue  # torchvision downloads what is not there
                if not check_integrity(str(published), md5):
                    raise DataError(
                        f"{published} is truncated or altered (its MD5 is not {md5}). Restore it with "
                        f"'git checkout -- {published}', or delete it to have it downloaded."
                    )
                shutil.copyfile(published, raw / file)
            _unpack(kind, root, name)
            for file in _SOURCES[name].sha256:
                if not _intact(name, raw / file):
                    raise DataError(f"{file} came out damaged; is the disk of {cache} full?")
            folder.mkdir(parents=True, exist_ok=True)
            for file in _SOURCES[name].sha256:
                # Windows can't replace a file that another kernel has mapped, and needn't.
                if not _intact(name, folder / file):
                    os.replace(raw / file, folder / file)
    except OSError as error:
        raise DataError(
            f"can't unpack {name} into {cache} ({error}). Free some space there, or set the environment "
            "variable LATENTLAB_CACHE to another folder."
        ) from error


def _unpack(kind, root: str, name: str) -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            kind(root, download=True)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise DataError(
            f"{name}: some of its files are neither in {_published(name)} nor can they be "
            f"downloaded ({error}). Clone the course's repository again, or connect to the network."
        ) from error
