"""A small set of colour images that the course draws itself, of which everything is known.

A shape of one colour and texture lies on a ground of another, and grain lies over both. All of it is drawn
in whole numbers from a seed, so that the images are the same on every machine, and no file is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

CLASSES = ("disc", "ring", "square", "diamond", "triangle", "cross", "crescent")
TEXTURES = ("plain", "stripes across", "stripes down", "diagonals", "checks")
SPLITS = {"train": (10_000, 0), "test": (2_000, 1)}  # of the data set: how many, and the seed
SIDE = 32  # pixels
GRAIN = 4  # grey levels
COLOURS = (40, 216)  # from … to below; texture and grain stay within 0 … 255 around them
CONTRAST = 28  # grey levels, by which a texture is lighter and darker than its colour
_AT_ONCE = 2000  # images, so that the arrays between stay small


@dataclass(frozen=True, eq=False)
class Drawn:
    """Images, and what each was drawn from.

    Attributes
    ----------
    images : torch.Tensor
        uint8, (n, 3, 32, 32).
    labels : torch.Tensor
        int64, (n,): indices of `CLASSES`.
    factors : dict of str to torch.Tensor
        int64, (n,) or (n, 3): "across" and "down", the shape's centre in pixels; "radius" in pixels; of shape
        and ground, "colour", "texture" (an index of `TEXTURES`), "width" of a stripe and its "phase" in
        pixels, as in "shape colour". They are independent of each other and of the class, but for two: a
        shape's colour is never close to its ground's, and a phase is less than two widths.
    """

    images: torch.Tensor
    labels: torch.Tensor
    factors: dict[str, torch.Tensor]


def draw(n: int, seed: int, *, grain: int = GRAIN) -> Drawn:
    """Draw images.

    Parameters
    ----------
    n : int
        How many; the classes are equally frequent, as far as 7 divides it.
    seed : int
        Where the random numbers come from.
    grain : int
        Each value of each pixel is moved by a whole number of grey levels from -grain to grain, all equally
        likely; at most 12. The same seed with another grain gives the same shapes.

    Returns
    -------
    Drawn
        The images with what they were drawn from.

    Raises
    ------
    ValueError
        For fewer than one image, or a grain that can't be.

    Notes
    -----
    `datasets.load("shapes")` is 10,000 of them and 2,000 more. Used in notebook 09.
    """
    if n < 1:
        raise ValueError(f"draw 1 image or more, not {n}")
    if not 0 <= grain <= COLOURS[0] - CONTRAST:
        raise ValueError(f"the grain must be from 0 to {COLOURS[0] - CONTRAST} grey levels, not {grain}")
    random = np.random.RandomState(seed)  # its numbers are promised to stay as they are; a Generator's aren't
    labels = random.permutation(np.arange(n) % len(CLASSES))
    factors = {
        "across": random.randint(11, 21, n),
        "down": random.randint(11, 21, n),
        "radius": random.randint(6, 11, n),
    }
    for part in ("ground", "shape"):
        factors[f"{part} colour"] = random.randint(*COLOURS, (n, 3))
        factors[f"{part} texture"] = random.randint(0, len(TEXTURES), n)
        factors[f"{part} width"] = width = random.randint(1, 5, n)
        factors[f"{part} phase"] = random.randint(0, 1 << 16, n) % (2 * width)
    ground, shape = factors["ground colour"], factors["shape colour"]
    low, levels = COLOURS[0], COLOURS[1] - COLOURS[0]
    close = abs(shape - ground).max(1, keepdims=True) < 2 * CONTRAST
    factors["shape colour"] = np.where(close, low + (shape - low + levels // 2) % levels, shape)

    images = np.empty((n, 3, SIDE, SIDE), np.uint8)
    for start in range(0, n, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        drawn = _clean(labels[some], {name: values[some] for name, values in factors.items()})
        noise = random.randint(0, 2 * grain + 1, drawn.shape, np.uint8).astype(np.int16) - grain
        images[some] = drawn + noise
    return Drawn(
        torch.from_numpy(images),
        torch.from_numpy(labels.astype(np.int64)),
        {name: torch.from_numpy(values.astype(np.int64)) for name, values in factors.items()},
    )


def grain_bits(grain: int = GRAIN) -> float:
    """What no model can do without: the bits of each value that are grain.

    Parameters
    ----------
    grain : int
        As for `draw`.

    Returns
    -------
    float
        log2(2 grain + 1), in bits per dimension.

    Notes
    -----
    Used in notebook 09.
    """
    return math.log2(2 * grain + 1)


def ground(drawn: Drawn) -> tuple[torch.Tensor, torch.Tensor]:
    """The texture of each image's ground, and where it is seen.

    Parameters
    ----------
    drawn : Drawn
        As `draw` gives it.

    Returns
    -------
    pattern : torch.Tensor
        float32, (n, 1, 32, 32): -1 where the texture is dark, 1 where it is light, 0 where there is none.
    seen : torch.Tensor
        bool, (n, 1, 32, 32): the pixels that the shape leaves free.

    Notes
    -----
    Used in notebook 09, to see how much of a texture's contrast a model keeps.
    """
    column = {
        name: values.numpy().reshape(len(values), 1, 1)
        for name, values in drawn.factors.items()
        if values.ndim == 1
    }
    y, x = np.mgrid[:SIDE, :SIDE][:, None]
    pattern = _texture(x, y, *(column[f"ground {name}"] for name in ("texture", "width", "phase")))
    inside = _inside(
        drawn.labels.numpy().reshape(-1, 1, 1), x - column["across"], y - column["down"], column["radius"]
    )
    return torch.from_numpy(pattern).float()[:, None], torch.from_numpy(~inside)[:, None]


def _clean(labels: np.ndarray, factors: dict[str, np.ndarray]) -> np.ndarray:
    """Images without grain, int16, (n, 3, side, side)."""
    column = {name: values.reshape(len(labels), 1, 1) for name, values in factors.items() if values.ndim == 1}
    y, x = np.mgrid[:SIDE, :SIDE][:, None]
    inside = _inside(labels.reshape(-1, 1, 1), x - column["across"], y - column["down"], column["radius"])
    parts = []
    for part in ("ground", "shape"):
        light = _texture(x, y, *(column[f"{part} {name}"] for name in ("texture", "width", "phase")))
        colour = factors[f"{part} colour"][:, :, None, None]
        parts.append((colour + CONTRAST * light[:, None]).astype(np.int16))
    return np.where(inside[:, None], parts[1], parts[0])


def _inside(labels: np.ndarray, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Which pixels belong to the shape; x and y are counted from its centre."""
    square, wide, high = x**2 + y**2, abs(x), abs(y)
    disc = square <= radius**2
    return np.choose(
        labels,
        [
            disc,
            disc & (64 * square >= 25 * radius**2),
            8 * np.maximum(wide, high) <= 7 * radius,
            wide + high <= radius,
            (high <= radius) & (2 * wide <= y + radius),
            (3 * np.minimum(wide, high) <= radius) & (np.maximum(wide, high) <= radius),
            disc & ((2 * x - radius) ** 2 + 4 * y**2 > 4 * radius**2),
        ],
    )


def _texture(
    x: np.ndarray, y: np.ndarray, texture: np.ndarray, width: np.ndarray, phase: np.ndarray
) -> np.ndarray:
    """-1 where the texture is dark, 1 where it is light, 0 where there is none."""
    across, down, diagonal = ((place + phase) // width % 2 for place in (y, x, x + y))
    return np.choose(
        texture, [0 * diagonal, *(2 * on - 1 for on in (across, down, diagonal)), 2 * (across ^ down) - 1]
    )
