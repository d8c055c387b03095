"""Cut the part of Fashion-MNIST that comes with the course, and write it to data/fashion.

    python course.py subset

Of each class, the first 1,000 training and the first 200 test images, in the order in which they were
published. torchvision fetches the originals to data/FashionMNIST, if they aren't there, and states their MD5,
which is checked here. The same originals give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
from pathlib import Path

import torch
from torchvision.datasets import FashionMNIST

from latentlab_helpers import datasets
from latentlab_helpers.files import write_whole

DATA = Path(__file__).resolve().parent.parent / "data"
EACH = {"train": 1000, "test": 200}  # of every class
ORIGINALS = {"train": "train", "test": "t10k"}  # what the files' names begin with


def original(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels as they were published, once their checksums hold."""
    md5 = dict(FashionMNIST.resources)
    names = (f"{ORIGINALS[split]}-{what}-ubyte.gz" for what in ("images-idx3", "labels-idx1"))
    images, labels = (datasets._read(DATA / "FashionMNIST" / "raw" / name, md5[name]) for name in names)
    return images, labels


def first_of_each(labels: torch.Tensor, n: int) -> torch.Tensor:
    """The indices of the first n of every class, in order."""
    chosen = [(labels == label).nonzero()[:n, 0] for label in labels.unique()]
    return torch.cat(chosen).sort().values


def packed(values: torch.Tensor) -> bytes:
    """A gzipped IDX file, with no time and no name in it."""
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    whole = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=whole, mtime=0) as file:
        file.write(header + values.numpy().tobytes())
    return whole.getvalue()


def main() -> int:
    FashionMNIST(DATA, download=True)
    for split, listed in datasets._SOURCES["fashion"].files.items():
        images, labels = original(split)
        chosen = first_of_each(labels, EACH[split])
        for (name, md5), values in zip(listed, (images, labels), strict=True):
            content = packed(values[chosen])
            path = write_whole(DATA / "fashion" / name, content)
            found = hashlib.md5(content, usedforsecurity=False).hexdigest()
            told = "" if found == md5 else f", not {md5}, which latentlab_helpers/datasets.py expects"
            print(f"{path.name}: {len(content)} bytes, MD5 {found}{told}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
