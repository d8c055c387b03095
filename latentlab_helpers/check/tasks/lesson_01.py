"""The exercises of lesson 01: errors, PCA, the training step, and a control for the autoencoder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import cycle, product
from typing import Any, cast

import torch
from torch.nn import functional as F

from ... import checkpoints, datasets, metrics
from ...losses import mse
from ...models import Autoencoder
from ..core import Behaviour, Function, Task, Value, known, whole
from .trials_01 import linear_control, parameters, train_step


def _images(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (whole(generator, 3, 12), 1, 28, 28)
    return 2 * torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)


def _sets(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
    pixels, n = whole(generator, 9, 14), whole(generator, 50, 70)
    mix = torch.linalg.qr(torch.randn(pixels, pixels, generator=generator))[0]
    mix = 0.7 ** torch.arange(pixels)[:, None] * mix  # no two directions vary alike
    mean = torch.rand(pixels, generator=generator) + 0.5
    train, images = (torch.randn(m, pixels, generator=generator) @ mix + mean for m in (n, n // 3))
    return train, images + 0.3, whole(generator, 2, 6)


def _v(train: torch.Tensor, centred: bool = True) -> torch.Tensor:
    return torch.linalg.svd(train - centred * train.mean(0))[2]


def _pca(train: torch.Tensor, images: torch.Tensor, v: Any, minus: Any = None, plus: Any = None) -> Any:
    minus, plus = (train.mean(0) if mean is None else mean for mean in (minus, plus))
    return (images - minus) @ v.T @ v + plus


@functools.cache
def _error(change: str = "", name: str = "ae_mlp_16", split: str = "test") -> float:
    """What the network of 01.4 makes of the images, all of them changed in the same way."""
    images = datasets.load("mnist", split).images
    axes = {"mirrored": (3,), "against": (3,), "down": (2,), "turned": (2, 3)}.get(change, ())
    changed = {"transposed": images.mT, "negative": 255 - images}.get(change, images.flip(axes)).contiguous()
    model, x = cast(Autoencoder, checkpoints.load(name)), datasets.to_float(changed)
    made = metrics.reconstruct(model, changed)
    return (made - (x.flip(3) if change == "against" else x)).square().mean().item()


def _times(change: str = "mirrored", *model: str) -> Callable[[], float]:
    return lambda: _error(change, *model) / _error("", *model)


@functools.cache
def _pca_errors() -> tuple[float, float]:
    train, test = (datasets.load("mnist", split).images for split in ("train", "test"))
    flat = datasets.to_float(train).flatten(1)
    mean, v = flat.mean(0), torch.linalg.eigh(flat.T.cov())[1][:, -16:]
    moved = [datasets.to_float(images).flatten(1) - mean for images in (test.flip(3), test)]
    mirrored, ordinary = ((x - x @ v @ v.T).square().mean().item() for x in moved)
    return mirrored, ordinary


@functools.cache
def _each() -> tuple[torch.Tensor, torch.Tensor]:
    """The error of each test image, mirrored and not."""
    images, model = datasets.load("mnist", "test").images, cast(Autoencoder, checkpoints.load("ae_mlp_16"))
    mirrored, ordinary = (
        (metrics.reconstruct(model, x) - datasets.to_float(x)).square().flatten(1).mean(1)
        for x in (images.flip(3), images)
    )
    return mirrored, ordinary


def _own_ratios() -> float:
    return (_each()[0] / _each()[1]).mean().item()


def _first(n: int) -> float:
    return (_each()[0][:n].mean() / _each()[1][:n].mean()).item()


_KINDS = cycle(product((True, False), (1, 2, 3)))  # any four in a row have each place, and both kinds


def _table(generator: torch.Generator) -> tuple[dict[int, float], float]:
    """Sizes in no order and their errors, not always falling; every other time one is exactly the limit."""
    sizes = sorted((torch.randperm(300, generator=generator)[:8] + 2).tolist())
    e = (0.08 - 0.008 * torch.arange(8) + 0.004 * torch.rand(8, generator=generator)).tolist()
    exact, j = next(_KINDS)  # the right one is sizes[j]
    gap = e[j - 1] - e[j]
    limit = e[j] if exact else e[j] + 0.5 * gap
    e[j + 1] = limit + 0.1 * gap  # larger, and not good enough
    e[5] = e[j] - 0.1 * gap if exact else e[j] + 0.3 * gap  # larger, and nearer to the limit
    e[6], e[7] = e[7], e[6]
    order = [5, *(i for i in torch.randperm(8, generator=generator).tolist() if i != 5)]
    return {sizes[i]: e[i] for i in order}, limit


def _halved(errors: dict[int, float], limit: float) -> int:
    sizes, low = sorted(errors), 0
    high = len(sizes) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if errors[sizes[middle]] <= limit else (middle + 1, high)
    return sizes[low]


def _at(errors: dict[int, float], limit: float) -> int:
    return [errors[size] <= limit for size in sorted(errors)].index(True)


TASKS: dict[str, Task] = {
    "01.1": Function(
        right=mse, inputs=_images, gradient=True,
        sizes=lambda o, x: {"images": len(x), "pixels": 784}, returns="one number, the mean over all pixels",
        mistakes=known({
            "logits aren't pixels yet: the sigmoid is missing": lambda o, x: (o - x).square().mean(),
            "x is an image already: the sigmoid belongs to the logits alone":
                lambda o, x: (o.sigmoid() - x.sigmoid()).square().mean(),
            "first make pixels, then take the difference": lambda o, x: (o - x).sigmoid().square().mean(),
            "the absolute difference isn't the squared one": lambda o, x: (o.sigmoid() - x).abs().mean(),
            "nothing is squared, so that errors up and down cancel": lambda o, x: (o.sigmoid() - x).mean(),
            "square first, then average, or errors cancel": lambda o, x: (o.sigmoid() - x).mean().square(),
            "that is the root of the MSE": lambda o, x: (o.sigmoid() - x).square().mean().sqrt(),
            "that is the cross-entropy; the task asks for the squared "
            "error": F.binary_cross_entropy_with_logits,
            "cutting off at 0 and 1 (clamp) is no sigmoid": lambda o, x: (o.clamp(0, 1) - x).square().mean(),
            "the softmax lets an image's pixels share a sum of 1; each pixel has its own sigmoid":
                lambda o, x: (o.flatten(1).softmax(1) - x.flatten(1)).square().mean(),
            "the sigmoid is taken twice": lambda o, x: (o.sigmoid().sigmoid() - x).square().mean(),
            "1 / (1 + exp(logits)) is upside down: the exponent of the sigmoid has a minus":
                lambda o, x: (torch.sigmoid(-o) - x).square().mean(),
            "the pixels are rounded to black and white; a sigmoid keeps the greys":
                lambda o, x: (o.sigmoid().round() - x).square().mean(),
        }),
    ),
    "01.2": Function(
        right=parameters, inputs=lambda g: (whole(g, 20, 500), whole(g, 2, 19)), rel=1e-9,
        mistakes=known({
            "the biases are missing: each unit after the input has one":
                lambda h, d: 2 * 784 * h + 2 * h * d,
            "that is the encoder alone": lambda h, d: 784 * h + h + h * d + d,
            "that is the decoder alone": lambda h, d: d * h + h + h * 784 + 784,
            "the decoder isn't the encoder again: its last layer has 784 biases, and none is d":
                lambda h, d: 2 * (784 * h + h + h * d + d),
            "the d numbers of the code have biases, too": lambda h, d: parameters(h, d) - d,
            "the output has biases, too, one for each pixel": lambda h, d: parameters(h, d) - 784,
            "the hidden layers have biases, too": lambda h, d: parameters(h, d) - 2 * h,
            "one of the two hidden layers lacks its biases": lambda h, d: parameters(h, d) - h,
            "the pixels that go in have no biases": lambda h, d: parameters(h, d) + 784,
            "these are units; from a to b of them lead a · b weights": lambda h, d: 2 * 784 + 2 * h + d,
            "the code is counted twice, as in a VAE's encoder": lambda h, d: parameters(h, d) + h * d + d,
            "a layer has one bias for each unit that comes out, not one in all":
                lambda h, d: 2 * 784 * h + 2 * h * d + 4,
            "the layers to the code and from it lead between h and d units, not h and h":
                lambda h, d: parameters(h, d) - 2 * h * d + 2 * h * h,
            "the decoder has weights of its own: h · d and 784 · h count twice":
                lambda h, d: parameters(h, d) - 784 * h - h * d,
            "h · d counts twice, into the code and out of it": lambda h, d: parameters(h, d) - h * d,
            "784 · h counts twice, in the first layer and in the last":
                lambda h, d: parameters(h, d) - 784 * h,
        }),
    ),
    "01.3": Function(
        right=lambda t, i, k: _pca(t, i, _v(t)[:k]), inputs=_sets,
        returns="one row for each image, with all of its pixels",
        sizes=lambda t, i, k: {"training images": len(t), "images": len(i)},
        mistakes=known({
            "the mean isn't added back in the end": lambda t, i, k: _pca(t, i, _v(t)[:k], plus=0),
            "nothing is centred: PCA's directions start at the mean image, not at black":
                lambda t, i, k: _pca(t, i, _v(t, False)[:k], 0, 0),
            "the directions are those of images not centred": lambda t, i, k: _pca(t, i, _v(t, False)[:k]),
            "the mean isn't subtracted before encoding": lambda t, i, k: _pca(t, i, _v(t)[:k], 0),
            "the mean is neither subtracted nor added back": lambda t, i, k: _pca(t, i, _v(t)[:k], 0, 0),
            "the images are centred by their own mean; take that of the training images":
                lambda t, i, k: _pca(t, i, _v(t)[:k], i.mean(0), i.mean(0)),
            "one mean is subtracted, another added: use the training images' for both":
                lambda t, i, k: _pca(t, i, _v(t)[:k], i.mean(0)),
            "PCA is fitted to the images that it rebuilds": lambda t, i, k: _pca(i, i, _v(i)[:k]),
            "the last k directions: along them images vary least": lambda t, i, k: _pca(t, i, _v(t)[-k:]),
            "the code is divided by its spread (whitened), and never multiplied again":
                lambda t, i, k: _pca(t, i, _v(t)[:k] / (t @ _v(t)[:k].T).std(0)[:, None] ** 0.5),
            "torch's svd gives directions as rows, not columns": lambda t, i, k: _pca(t, i, _v(t)[:, :k].T),
            "eigh gives directions as columns, not rows (and the largest come last)":
                lambda t, i, k: _pca(t, i, torch.linalg.eigh(t.T.cov())[1][-k:]),
            "eigh gives directions as columns, not rows, and the largest come last":
                lambda t, i, k: _pca(t, i, torch.linalg.eigh(t.T.cov())[1][:k]),
            "one number is subtracted as the mean; each pixel has a mean of its own: dim=0":
                lambda t, i, k: _pca(t, i, _v(t - t.mean(), False)[:k], t.mean(), t.mean()),
            "the mean is that of each image; take that of each pixel over the images: dim=0":
                lambda t, i, k: _pca(t, i, _v(t - t.mean(1, keepdim=True), False)[:k],
                                     i.mean(1, keepdim=True), i.mean(1, keepdim=True)),
            "the code is multiplied by the singular values; (images - mean) @ directions.T is all of it":
                lambda t, i, k: _pca(t, i, _v(t)[:k] * torch.linalg.svdvals(t - t.mean(0))[:k, None] ** 0.5),
            "the pixels are divided by their spread first; PCA only subtracts the mean":
                lambda t, i, k: _pca(t, i / t.std(0), _v(t / t.std(0))[:k], t.mean(0) / t.std(0),
                                     t.mean(0) / t.std(0)) * t.std(0),
            "the first direction is left out: the first k are [:k]":
                lambda t, i, k: _pca(t, i, _v(t)[1 : k + 1]),
            "one direction too many": lambda t, i, k: _pca(t, i, _v(t)[: k + 1]),
            "one direction too few": lambda t, i, k: _pca(t, i, _v(t)[: k - 1]),
            "the first k directions are dropped, and the others kept": lambda t, i, k: _pca(t, i, _v(t)[k:]),
            "these are codes: turn them into images again": lambda t, i, k: (i - t.mean(0)) @ _v(t)[:k].T,
            "the images come back as they were, as if k were all": lambda t, i, k: i,
        }),
    ),
    "01.4": Value(
        right=_times(), rel=0.004,
        mistakes={
            "the other way round: the mirrored digits' error is above the line": lambda: 1 / _times()(),
            "that is a difference; the task asks how many times": lambda: _error("mirrored") - _error(),
            "that is how much more; the task asks how many times": lambda: _times()() - 1,
            "that is one error; divide it by the error on ordinary digits": lambda: _error("mirrored"),
            "upside down, not mirrored: which axis is the width?": _times("down"),
            "turned by half a turn: flip the width only": _times("turned"),
            "rows and columns have changed places; flip the width": _times("transposed"),
            "that is for negatives, black on white": _times("negative"),
            "the reconstruction belongs beside the mirrored image": lambda: _error("against") / _error(),
            "the MSE has no root": lambda: _times()() ** 0.5,
            "that is for two numbers; load ae_mlp_16": _times("mirrored", "ae_mlp_2"),
            "that is for eight numbers; load ae_mlp_16": _times("mirrored", "ae_mlp_8"),
            "that is for the VAE; load ae_mlp_16": _times("mirrored", "vae_mlp_16"),
            "nothing is mirrored: flip(0) changes the images' order, and the width is axis 3": 1.0,
            "those are training digits; take the test digits for both":
                lambda: _error("mirrored", "ae_mlp_16", "train") / _error("", "ae_mlp_16", "train"),
            "the ordinary digits are those of training; take the test digits for both":
                lambda: _error("mirrored") / _error("", "ae_mlp_16", "train"),
            "that is PCA's ratio, from the cell above; the task asks for the network's":
                lambda: _pca_errors()[0] / _pca_errors()[1],
            "that compares the network with PCA; divide by the network's own error on ordinary digits":
                lambda: _error("mirrored") / _pca_errors()[0],
            "every image has a ratio of its own there; divide the mean errors": _own_ratios,
            "that is with the first 1,000 digits; take all 10,000": lambda: _first(1000),
        },
    ),
    "01.5": Behaviour(train_step),
    "01.6": Function(
        right=lambda e, limit: min(size for size in e if e[size] <= limit), inputs=_table, rel=1e-6,
        mistakes=known({
            "an error of exactly the limit is small enough, too":
                lambda e, limit: min(size for size in e if e[size] < limit),
            "that is the largest size that will do": lambda e, limit: max(s for s in e if e[s] <= limit),
            "that is the size of the smallest error; a smaller one will do": lambda e, _: min(e, key=e.get),
            "that is the size whose error is nearest to the limit, on whichever side":
                lambda e, limit: min(e, key=lambda size: abs(e[size] - limit)),
            "the largest error within the limit needn't belong to the smallest size":
                lambda e, limit: max((s for s in e if e[s] <= limit), key=e.get),
            "the first in the dictionary needn't be the smallest: nobody has sorted it":
                lambda e, limit: next(size for size in e if e[size] <= limit),
            "that is a position among the sizes; the task asks for the size itself": _at,
            "that is a position from 1 on; the task asks for the size "
            "itself": lambda e, limit: _at(e, limit) + 1,
            "that is an error; the task asks for the size that has "
            "it": lambda e, limit: e[sorted(e)[_at(e, limit)]],
            "one size too small: its error is above the limit": lambda e, limit: sorted(e)[_at(e, limit) - 1],
            "that is an error; the task asks for the size whose error is good enough":
                lambda e, limit: min(v for v in e.values() if v <= limit),
            "that is the largest error within the limit; the task asks for a size":
                lambda e, limit: max(v for v in e.values() if v <= limit),
            "from there on all sizes will do; a smaller one does, too, though one between them is worse":
                lambda e, limit: min(s for s in e if all(e[t] <= limit for t in e if t >= s)),
            "a search by halves takes it for granted that a larger size is never worse": _halved,
            "one size too large: the one before will do (or are sizes and errors sorted apart?)":
                lambda e, limit: sorted(e)[_at(e, limit) + 1],
            "that is the smallest size whose error is too large":
                lambda e, limit: min(size for size in e if e[size] >= limit),
            "that is how many sizes are good enough": lambda e, limit: sum(v <= limit for v in e.values()),
        }),
    ),
    "01.7": Behaviour(linear_control),
}  # fmt: skip
