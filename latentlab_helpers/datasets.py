"""A data set as two tensors, images and labels.

The files lie as they were published, in the repository (`data/`) or in the installed package. They are read
into memory from there once their checksums hold; nothing is unpacked on the disk. Larger sets are fetched by
torchvision, which has their checksums, and a small colour set is drawn.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import shapes
from .files import PACKAGE, shipped


class DataError(RuntimeError):
    """A data set's files are missing or damaged."""


@dataclass(frozen=True, eq=False)
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
        """The name of a class: "ankle boot", or "7".

        Parameters
        ----------
        label : int
            One of `labels`, as a number or a tensor of one.

        Returns
        -------
        str
            Its entry in `classes`, or the number itself where there is none.
        """
        label = int(label)
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)


@dataclass(frozen=True)
class _Source:
    """Where the published files of a data set lie, and what is in them."""

    folder: str
    image_shape: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    files: dict[str, tuple[tuple[str, str], ...]]  # of each split: images and labels, with their MD5


_SOURCES = {
    # LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; MD5 as torchvision states it
    "mnist": _Source(
        folder="data/MNIST/raw",
        image_shape=(1, 28, 28),
        classes=tuple("0123456789"),
        files={
            "train": (
                ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ),
            "test": (
                ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
                ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
            ),
        },
    ),
    # Xiao, Rasul and Vollgraf, "Fashion-MNIST", arXiv:1708.07747; the part that tools/subset.py cut
    "fashion": _Source(
        folder="data/fashion",
        image_shape=(1, 28, 28),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        files={
            "train": (
                ("train-images-idx3-ubyte.gz", "d3fad0f4ef7cc0756f0afd2590b432a1"),
                ("train-labels-idx1-ubyte.gz", "d969641a9267a254f8e0469110fc9a92"),
            ),
            "test": (
                ("t10k-images-idx3-ubyte.gz", "9bcb76ea299a90e8109f62a570a44490"),
                ("t10k-labels-idx1-ubyte.gz", "830cd04f764a01b1824d30ff5dbaeeb3"),
            ),
        },
    ),
}


def load(name: str = "mnist", split: str = "train", device: torch.device | str = "cpu") -> ImageSet:
    """Load one split of a data set into memory.

    Parameters
    ----------
    name : str
        The data set. The course has "mnist", 60,000 training and 10,000 test images of 28 × 28 pixels;
        "fashion", of Fashion-MNIST the first 1,000 and 200 images of each class; and "shapes", 10,000 and
        2,000 images of 3 × 32 × 32 that it draws (`shapes.draw`). torchvision fetches "fashion-all"
        (60,000 and 10,000; 31 MB) and "cifar10" (50,000 and 10,000 of 3 × 32 × 32; 170 MB) the first time,
        into the repository's `data/`, for an installed course into `~/.cache/latentlab`, or where the
        environment variable `LATENTLAB_DATA` says.
    split : str
        "train" or "test".
    device : torch.device or str
        Where the tensors go. Plots and scikit-learn want them on the CPU; `training.fit` moves them to the
        model's device itself.

    Returns
    -------
    ImageSet
        uint8 images (n, channels, height, width), int64 labels (n,), and the names of the classes.

    Raises
    ------
    ValueError
        For a data set or a split that doesn't exist, with those that do.
    DataError
        If a file is missing, truncated or altered, or can't be fetched.

    Notes
    -----
    Notebook 01 looks at what it returns; all notebooks begin with it. Notebook 09 has the others.
    """
    if name not in (known := (*_SOURCES, *_MADE)):
        raise ValueError(f"there is no data set {name!r}; the course has: {', '.join(known)}")
    splits = _SOURCES[name].files if name in _SOURCES else shapes.SPLITS
    if split not in splits:
        raise ValueError(f"there is no split {split!r}; ask for {' or '.join(map(repr, splits))}")
    if name in _MADE:
        made = _MADE[name](split)
        return ImageSet(made.images.to(device), made.labels.to(device), made.classes)
    source = _SOURCES[name]
    images, labels = (_read(shipped(source.folder) / file, md5) for file, md5 in source.files[split])
    return ImageSet(images.view(-1, *source.image_shape).to(device), labels.long().to(device), source.classes)


def check_images(images: torch.Tensor, *, wait: bool = True) -> None:
    """Refuse what no model and no measure can take: the one check of images.

    Parameters
    ----------
    images : torch.Tensor
        (n, channels, height, width) with n ≥ 1; uint8, or floats in [0, 1].
    wait : bool
        False leaves out the look at the values where it would wait for a GPU to finish its work.

    Raises
    ------
    ValueError
        For anything else, with what to do about it.
    """
    _check_tensor(images)
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images must have the shape (n, channels, height, width) with n ≥ 1, not {tuple(images.shape)}; "
            "a single image: x[None]"
        )
    if images.dtype == torch.uint8:
        return
    if not images.is_floating_point():
        raise ValueError(f"images must be uint8 or floats in [0, 1], not {images.dtype}")
    if not wait and images.device.type != "cpu":
        return
    low, high = (value.item() for value in images.detach().aminmax())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"images must lie in [0, 1], but these reach from {low:g} to {high:g}; "
            "divide values 0 … 255 by 255 (datasets.to_float does that for uint8)"
        )


def to_float(images: torch.Tensor) -> torch.Tensor:
    """Turn uint8 images, 0 … 255, into floats in [0, 1].

    Parameters
    ----------
    images : torch.Tensor
        uint8 of any shape; floats keep their values.

    Returns
    -------
    torch.Tensor
        float32, of the same shape.

    Raises
    ------
    ValueError
        If it isn't a tensor.

    Notes
    -----
    Introduced in notebook 01.
    """
    _check_tensor(images)
    return images.float().div_(255) if images.dtype == torch.uint8 else images.float()


def _check_tensor(images: torch.Tensor) -> None:
    """Refuse a whole data set, or an array, in place of its images."""
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"images must be a tensor (of a data set, its .images), not {type(images).__name__}")


def _read(path: Path, md5: str) -> torch.Tensor:
    """The bytes of a gzipped IDX file, in the shape that its header states."""
    advice = f"Restore it with 'git checkout -- {path}', or install the course again."
    try:
        published = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't read {path} ({error.strerror}). {advice}") from error
    if hashlib.md5(published, usedforsecurity=False).hexdigest() != md5:
        raise DataError(f"{path} is truncated or altered: its MD5 is not {md5}. {advice}")
    content = bytearray(gzip.decompress(published))
    # The fourth byte counts the dimensions; their sizes follow, big-endian, and then the numbers.
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, offset=4)
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * dimensions).view(shape)


def _shapes(split: str) -> ImageSet:
    drawn = shapes.draw(*shapes.SPLITS[split])
    return ImageSet(drawn.images, drawn.labels, shapes.CLASSES)


def _fashion(split: str) -> ImageSet:
    found = _fetched("FashionMNIST", split)
    return ImageSet(found.data[:, None], found.targets, tuple(found.classes))


def _cifar10(split: str) -> ImageSet:
    """Krizhevsky, "Learning multiple layers of features from tiny images" (2009)."""
    found = _fetched("CIFAR10", split)
    images = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.tensor(found.targets), tuple(found.classes))


_MADE: dict[str, Callable[[str], ImageSet]] = {
    "shapes": _shapes,
    "fashion-all": _fashion,
    "cifar10": _cifar10,
}


def _fetched(kind: str, split: str) -> Any:
    """A data set of torchvision's, which checks the files, and fetches them if they aren't there."""
    try:
        there = importlib.import_module("torchvision.datasets")  # which nothing else of the course needs
    except ImportError as error:
        raise DataError(f"{kind} is fetched by torchvision: install it (pip install torchvision)") from error
    here = PACKAGE.parent / "data"
    default = here if (PACKAGE.parent / "course.py").is_file() else Path.home() / ".cache" / "latentlab"
    folder = Path(os.environ.get("LATENTLAB_DATA") or default)
    try:
        return getattr(there, kind)(folder, train=split == "train", download=True)
    except (OSError, RuntimeError, EOFError) as error:
        why = " ".join(str(error).split())
        raise DataError(
            f"{kind} is not in {folder}, and can't be fetched ({why}). Go online once, or name a folder that "
            'has it in LATENTLAB_DATA. Without a network there are "fashion" and "shapes".'
        ) from error
