"""What all figures have: a text alternative, the palette, and panels side by side."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import matplotlib
import numpy as np
import torch
from matplotlib import figure
from matplotlib.axes import Axes
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..datasets import to_float

Value = TypeVar("Value")

# Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color)
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000",
)  # fmt: skip
# Ten classes need ten looks: the palette but for its yellow, violet, grey, brown; and a marker for each.
CLASS_COLOURS = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#7800D8", BLACK, "#999999", "#7A4B2A"]
CLASS_MARKERS = "osD^vP*X<>"
LINES = ((BLUE, "o-"), (VERMILLION, "s--"), (GREEN, "D:"), (PURPLE, "^-."), (BLACK, "v-"))
# In every figure a model has the same look, by the word that its name begins with.
MODELS = {"VAE": LINES[0], "AE": LINES[1], "autoencoder": LINES[1], "PCA": LINES[2], "pixel": LINES[3]}


class Figure(figure.Figure):
    """A matplotlib figure, apart from pyplot, that Jupyter shows with `alt` as its text alternative.

    Attributes
    ----------
    alt : str
        What the figure shows, for readers who don't see it.
    """

    def __init__(self, alt: str, figsize: tuple[float, float], layout: Any = "constrained", **options: Any):
        super().__init__(figsize=figsize, layout=layout, **options)
        self.alt = alt

    def png(self) -> bytes:
        """The figure as a PNG, at two pixels per pixel of its size, in the 256 colours that suit it best."""
        buffer, small, drawn_by = io.BytesIO(), io.BytesIO(), PngInfo()
        self.savefig(buffer, format="png", dpi=2 * self.dpi)
        drawn_by.add_text("Software", f"Matplotlib {matplotlib.__version__}")
        # No area's colour moves, and the file is smaller than one of half the resolution in all its colours.
        palette, dither = Image.Quantize.MEDIANCUT, Image.Dither.NONE
        image = Image.open(buffer).convert("RGB").quantize(256, palette, kmeans=1, dither=dither)
        image.save(small, "png", optimize=True, pnginfo=drawn_by)
        return small.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}


def panels(
    alt: str, number: int, columns: int, width: float, height: float, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, of this many inches each, in rows of at most `columns`."""
    rows = math.ceil(number / columns)
    fig = Figure(alt, (0.8 + width * columns, height * rows))
    axes = fig.subplots(rows, columns, squeeze=False, **options).flatten()
    for ax in axes[number:]:
        ax.axis("off")
    return fig, list(axes[:number])


def single(alt: str, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this many inches with one panel."""
    fig = Figure(alt, (width, height))
    return fig, fig.subplots()


def styled(curves: Mapping[str, Value]) -> Iterator[tuple[str, Value, str, str]]:
    """Each named series with a colour and a marker and dash of its own; models have theirs in all figures."""
    if len(curves) > len(LINES):
        raise ValueError(f"a figure tells {len(LINES)} lines apart, not {len(curves)}: draw two figures")
    looks: dict[str, tuple[str, str]] = {}
    for name in curves:
        known = next((look for word, look in MODELS.items() if name.startswith(word)), None)
        if known and known not in looks.values():
            looks[name] = known
    free = (look for look in LINES if look not in looks.values())
    for name, values in curves.items():
        yield name, values, *(looks.get(name) or next(free))


def class_look(label: int) -> dict[str, Any]:
    """The colour and the marker of a class: ten colours, and with other markers ten times as many looks."""
    ten, one = divmod(label, len(CLASS_COLOURS))
    return {"color": CLASS_COLOURS[one], "marker": CLASS_MARKERS[(one + ten) % len(CLASS_MARKERS)]}


def in_range(images: torch.Tensor) -> torch.Tensor:
    """Images as floats on the CPU, refused if they are bytes taken for floats."""
    pixels = to_float(images).detach().cpu()
    # A linear method's images overshoot [0, 1] a little, and are clipped; bytes taken for floats do more.
    if pixels.numel() and not pixels.abs().max() <= 2:
        raise ValueError("images must be uint8, or floats in [0, 1]: divide 0 … 255 by 255")
    return pixels


def show(ax: Axes, pixels: np.ndarray, **where: Any) -> None:
    """Draw pixels (height, width) in greys, or (height, width, 3) in their colours."""
    ax.imshow(pixels.clip(0, 1), cmap="gray", vmin=0, vmax=1, **where)


def tiled(images: torch.Tensor, n: int) -> np.ndarray:
    """n² images as one, row by row from the top left.

    Parameters
    ----------
    images : torch.Tensor
        (n², channels, height, width), in [0, 1].
    n : int
        Images in a row, and rows.

    Returns
    -------
    numpy.ndarray
        (n · height, n · width), or with three channels (n · height, n · width, 3).
    """
    channels, height, width = images.shape[1:]
    rows = images.view(n, n, channels, height, width).permute(0, 3, 1, 4, 2)
    return rows.reshape(n * height, n * width, channels).squeeze(-1).numpy()


def to_png(image: torch.Tensor, scale: int = 8) -> bytes:
    """One image as the bytes of a PNG, for an ipywidgets Image.

    Parameters
    ----------
    image : torch.Tensor
        (channels, height, width), in [0, 1].
    scale : int
        How many times its size the picture has.

    Returns
    -------
    bytes
        The PNG.

    Notes
    -----
    Used in notebook 01.
    """
    values = (image.detach().clamp(0, 1) * 255).round().byte().cpu()
    pixels = values.permute(1, 2, 0).squeeze(-1).numpy()
    buffer = io.BytesIO()
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(buffer, "png")
    return buffer.getvalue()
