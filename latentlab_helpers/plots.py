"""One function a figure. Each returns a figure that carries its text alternative into the notebook."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import figure
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.patches import Circle
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .datasets import to_float

# Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color)
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000",
)  # fmt: skip
# Ten digits need ten looks: the palette but for its yellow, violet, grey, brown; and a marker for each.
DIGITS = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#7800D8", BLACK, "#999999", "#7A4B2A"]
MARKERS = "osD^vP*X<>"


class Figure(figure.Figure):
    """A matplotlib figure, apart from pyplot, that Jupyter shows with `alt` as its text alternative."""

    alt = ""

    def png(self) -> bytes:
        """The figure as a PNG; one without colours is stored as greys, a third of the size."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        image = Image.open(buffer).convert("RGB")
        red, *others = image.split()
        small, drawn_by = io.BytesIO(), PngInfo()
        drawn_by.add_text("Software", f"Matplotlib {matplotlib.__version__}")
        grey = all(red == band for band in others)
        (red if grey else image).save(small, "png", optimize=True, pnginfo=drawn_by)
        return small.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


def to_png(image: torch.Tensor, scale: int = 8) -> bytes:
    """One image in [0, 1], (channels, height, width), as the bytes of a PNG `scale` times its size.

    For an ipywidgets Image. Used in notebook 01.
    """
    values = (image.detach().clamp(0, 1) * 255).round().byte().cpu()
    pixels = values.permute(1, 2, 0).squeeze(-1).numpy()
    buffer = io.BytesIO()
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(buffer, "png")
    return buffer.getvalue()


def image_rows(rows: Mapping[str, torch.Tensor], alt: str, titles: Sequence[str] = ()) -> Figure:
    """Rows of images, (n, channels, height, width) each, with their names on the left.

    uint8, or floats in [0, 1].
    """
    columns = max(len(images) for images in rows.values())
    fig = Figure(figsize=(1.3 + 0.72 * columns, 0.3 + 0.78 * len(rows)), layout="constrained")
    axes = fig.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax in line:
            ax.axis("off")
        for ax, image in zip(line, images, strict=False):
            _show(ax, image)
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=9)
    fig.alt = alt
    return fig


def image_plane(images: torch.Tensor, extent: Sequence[float], axes: Sequence[str], alt: str) -> Figure:
    """A square of images that tile a plane, row by row from the top left.

    images: (n², 1, height, width) in [0, 1]; extent: the coordinates of the middles of the left, right,
    bottom and top tiles; axes: the names of the horizontal and the vertical axis.
    """
    n = round(len(images) ** 0.5)
    if n < 2 or n * n != len(images):
        raise ValueError(f"a square needs n² images, 4 or more, not {len(images)}")
    fig = Figure(figsize=(5.4, 5.2), layout="constrained")
    ax = fig.subplots()
    left, right, bottom, top = extent
    dx, dy = (right - left) / (n - 1) / 2, (top - bottom) / (n - 1) / 2  # from the middles to the edges
    edges = (left - dx, right + dx, bottom - dy, top + dy)
    ax.imshow(tiled(_in_range(images), n), cmap="gray", vmin=0, vmax=1, extent=edges, aspect="auto")
    ax.set(xlabel=axes[0], ylabel=axes[1])
    fig.alt = alt
    return fig


def tiled(images: torch.Tensor, n: int) -> np.ndarray:
    """n² images (n², 1, height, width) as one, n · height by n · width, row by row from the top left."""
    height, width = images.shape[-2:]
    rows = images.view(n, n, height, width).permute(0, 2, 1, 3)
    return rows.reshape(n * height, n * width).numpy()


def loss_curves(
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    alt: str,
    recorded: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Figure:
    """One line for each named series, one point an epoch.

    `recorded`: for a name, the same series of other seeds, drawn as thin lines of its colour.
    """
    fig = Figure(figsize=(5.2, 3.0), layout="constrained")
    ax = fig.subplots()
    for (name, values), (colour, style) in _styles(curves):
        ax.plot(range(1, len(values) + 1), values, style, color=colour, markersize=4, label=name)
        for other in (recorded or {}).get(name, ()):
            ax.plot(range(1, len(other) + 1), other, color=colour, linewidth=0.7, alpha=0.7)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False)
    fig.alt = alt
    return fig


def spread(panels: Mapping[str, Mapping[str, Sequence[float]]], alt: str) -> Figure:
    """A panel for each measure, in it a row of points for each name: one point a seed, a bar at their mean.

    Taught in notebook 03.
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    most = max(len(rows_of) for rows_of in panels.values())
    fig = Figure(figsize=(0.8 + 2.6 * columns, (0.75 + 0.27 * most) * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False).flatten()
    for ax in axes[len(panels) :]:
        ax.axis("off")
    for ax, (measure, named) in zip(axes, panels.items(), strict=False):
        for height, ((_, values), (colour, style)) in enumerate(_styles(named)):
            ax.plot(values, [height] * len(values), style[0], color=colour, alpha=0.6, markersize=6)
            ax.plot([sum(values) / len(values)], [height], "|", color=BLACK, markersize=14)
        ax.set_yticks(range(len(named)), list(named))
        ax.set_ylim(len(named) - 0.5, -0.5)
        ax.set_title(measure, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.margins(x=0.15)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.grid(axis="x", alpha=0.3)
    fig.alt = alt
    return fig


def progress(
    curves: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]],
    target: float,
    ylabel: str,
    alt: str,
) -> Figure:
    """A thin line (steps, values) for each seed of each name, and a dashed one at the target.

    The steps are drawn by their logarithm; a step 0 is left out. Taught in notebook 03.
    """
    fig = Figure(figsize=(5.4, 3.2), layout="constrained")
    ax = fig.subplots()
    for (name, runs), (colour, style) in _styles(curves):
        for i, (steps, values) in enumerate(runs):
            label = None if i else name
            ax.plot(steps[1:], values[1:], style[1:], color=colour, linewidth=1, alpha=0.8, label=label)
    ax.axhline(target, color=BLACK, linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="training steps", ylabel=ylabel)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False)
    ax.grid(alpha=0.3)
    fig.alt = alt
    return fig


def trade_off(
    points: Mapping[str, tuple[Sequence[float], Sequence[float]]], labels: tuple[str, str], alt: str
) -> Figure:
    """A cloud of points (x, y) for each name, one a seed, joined at their means in the order given.

    Taught in notebook 03.
    """
    fig = Figure(figsize=(5.4, 3.6), layout="constrained")
    ax = fig.subplots()
    means = [(sum(x) / len(x), sum(y) / len(y)) for x, y in points.values()]
    ax.plot(*zip(*means, strict=True), color=BLUE, linewidth=1)
    for (name, (x, y)), mean in zip(points.items(), means, strict=True):
        ax.plot(x, y, "o", color=BLUE, markersize=4, alpha=0.7)
        ax.annotate(name, mean, xytext=(6, 6), textcoords="offset points", fontsize=9)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.margins(x=0.2, y=0.12)
    ax.grid(alpha=0.3)
    fig.alt = alt
    return fig


def along(
    x: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str,
    alt: str,
    references: Mapping[str, float] | None = None,
    same_scale: bool = False,
) -> Figure:
    """A panel for each measure, side by side, in it a line over x for each name; one legend for all.

    `references`: for a measure, the value of real digits, as a dotted line. `same_scale`: the panels are
    of one unit, and share the vertical axis. Taught in notebook 05. Raises ValueError for a line that has
    not one value for each x.
    """
    fig = Figure(figsize=(0.6 + 2.6 * len(panels), 3.1), layout="constrained")
    axes, legend = fig.subplots(1, len(panels), squeeze=False, sharey=same_scale)[0], {}
    for ax, (measure, curves) in zip(axes, panels.items(), strict=True):
        for (name, values), (colour, style) in _styles(curves):
            if len(values) != len(x):
                raise ValueError(f"{name!r} needs a value for each x: {len(x)}, not {len(values)}")
            (legend[name],) = ax.plot(x, values, style, color=colour, markersize=4)
        if measure in (references or {}):
            legend["real digits"] = ax.axhline(references[measure], color=BLACK, linestyle=":")
        ax.set_title(measure, fontsize=9)
        ax.set_xlabel(xlabel, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.3)
    fig.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    fig.alt = alt
    return fig


def error_against_size(curves: Mapping[str, Mapping[int, float]], alt: str) -> Figure:
    """Test error per pixel against the number of latent dimensions, one line for each method."""
    fig = Figure(figsize=(5.4, 3.4), layout="constrained")
    ax = fig.subplots()
    for (name, errors), (colour, style) in _styles(curves):
        ax.plot(list(errors), list(errors.values()), style, color=colour, label=name)
    ax.set(xscale="log", yscale="log", xlabel="latent dimensions", ylabel="test MSE per pixel")
    sizes = sorted({size for errors in curves.values() for size in errors})
    ax.xaxis.set(major_locator=FixedLocator(sizes), minor_locator=NullLocator())
    ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    fig.alt = alt
    return fig


def latent_map(codes: torch.Tensor, labels: torch.Tensor, alt: str, prior: Sequence[float] = ()) -> Figure:
    """2-D codes (n, 2) as a map, coloured and marked by label (n,).

    `prior`: circles that hold these shares of N(0, I), whose radius in 2-D is sqrt(-2 log(1 - share)).
    """
    _check_map(codes, labels)
    fig = Figure(figsize=(6.2, 5.0), layout="constrained")
    ax = fig.subplots()
    codes = codes.detach()
    # In turns, a part of every class at a time, so that no class lies on top of all the others.
    for turn in range(8):
        for digit, (colour, marker) in enumerate(zip(DIGITS, MARKERS, strict=True)):
            x, y = codes[turn::8][labels[turn::8] == digit].cpu().numpy().T
            name = None if turn else str(digit)
            ax.scatter(x, y, s=12, color=colour, marker=marker, linewidths=0, alpha=0.7, label=name)
    _circles(ax, prior)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    legend = ax.legend(title="digit", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    for handle in legend.legend_handles:
        handle.set(alpha=1, sizes=[28])
    fig.alt = alt
    return fig


def digit_maps(
    maps: Mapping[str, torch.Tensor], images: torch.Tensor, labels: torch.Tensor, alt: str
) -> Figure:
    """2-D codes (n, 2), a map for each name, with the digits themselves at their codes, coloured by label.

    images (n, 1, height, width) and labels (n,) of the same n. Where two would overlap, the later one is
    left out, and so are those beyond the middle 99.6 % of an axis. Taught in notebook 04.
    """
    # Axes of whole pixels, so that the digits, too, are drawn pixel by pixel: sharp, and half as many bytes.
    side, width, height = 420, 480 * len(maps) + 15, 495
    fig = Figure(figsize=(width / 100, height / 100), dpi=100)
    for number, (name, codes) in enumerate(maps.items()):
        _check_map(codes, labels)
        ax = fig.add_axes(((60 + 480 * number) / width, 48 / height, side / width, side / height))
        codes = codes.detach().cpu()
        low, high = codes.quantile(torch.tensor([0.002, 0.998]), dim=0)
        middle, half = (low + high) / 2, 0.52 * (high - low).max()
        (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
        canvas = _digits_at((codes - middle) / (2 * half) + 0.5, images, labels, side)
        ax.imshow(canvas, extent=(left, right, bottom, top), interpolation="nearest")
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
        ax.set_title(name, fontsize=10)
    fig.alt = alt
    return fig


def _digits_at(places: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, side: int) -> np.ndarray:
    """A square picture (side, side, 3) with the images in their label's colour; places (n, 2) in [0, 1]."""
    size, apart, levels = 20, np.array([12, 15]), 7  # digits are higher than wide
    ink = _in_range(images)[:, :1, 3:-3, 3:-3]  # without most of the margin
    ink = F.interpolate(ink, (size, size), mode="bilinear", antialias=True).permute(0, 2, 3, 1).numpy()
    ink = np.round(ink * levels) / levels
    x, y = places[:, 0].numpy(), 1 - places[:, 1].numpy()
    corners = np.stack([x, y], axis=1) * side - size / 2
    canvas, taken = np.ones((side, side, 3)), np.empty((0, 2))
    for corner, shape, label in zip(corners.round(), ink, labels.tolist(), strict=True):
        inside = (corner >= 0).all() and (corner <= side - size).all()
        if inside and not (abs(taken - corner) < apart).all(axis=1).any():
            taken = np.append(taken, [corner], axis=0)
            left, top = corner.astype(int)
            part = canvas[top : top + size, left : left + size]
            part[:] = (1 - shape) * part + shape * to_rgb(DIGITS[label])
    return canvas


def point_maps(
    maps: Mapping[str, torch.Tensor],
    labels: torch.Tensor | None,
    alt: str,
    columns: int = 2,
    inches: float = 3.4,
) -> Figure:
    """Maps (n, 2) of the same n points, a panel for each name, coloured and marked by label (n,), if any.

    Without numbers at the axes: those of a map that t-SNE makes mean nothing. Taught in notebook 04.
    """
    rows = math.ceil(len(maps) / columns)
    fig = Figure(figsize=(0.7 + inches * columns, (inches + 0.2) * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False).flatten()
    for ax in axes[len(maps) :]:
        ax.axis("off")
    for ax, (name, codes) in zip(axes, maps.items(), strict=False):
        _check_map(codes, codes if labels is None else labels)
        codes = codes.detach().cpu()
        if labels is None:
            ax.scatter(*codes.T, s=2 * inches, color="#444444", linewidths=0)
        else:
            for digit, (colour, marker) in enumerate(zip(DIGITS, MARKERS, strict=True)):
                look = {"s": 3 * inches, "color": colour, "marker": marker, "linewidths": 0}
                ax.scatter(*codes[labels == digit].T, label=str(digit), **look)
        ax.set(xticks=[], yticks=[])
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_title(name, fontsize=9)
    if labels is not None:
        handles = axes[0].get_legend_handles_labels()
        legend = fig.legend(*handles, title="digit", loc="outside right center", frameon=False)
        for handle in legend.legend_handles:
            handle.set(sizes=[28])
    fig.alt = alt
    return fig


def density_maps(maps: Mapping[str, torch.Tensor], alt: str, prior: Sequence[float] = (0.5, 0.99)) -> Figure:
    """How densely 2-D codes (n, 2) lie, a panel for each name, all with the same axes and colours.

    `prior`: circles as in `latent_map`. Taught in notebook 04.
    """
    fig = Figure(figsize=(0.9 + 2.6 * len(maps), 3.0), layout="constrained")
    axes = fig.subplots(1, len(maps), squeeze=False, sharey=True)[0]
    edges = np.linspace(-4, 4, 41)
    for ax, (name, codes) in zip(axes, maps.items(), strict=True):
        _check_map(codes, codes)
        counts, _, _ = np.histogram2d(*codes.detach().cpu().numpy().T, bins=[edges, edges])
        share = counts.T / len(codes) / (edges[1] - edges[0]) ** 2
        norm = PowerNorm(0.5, vmin=0, vmax=0.5)  # the prior's peak is 1 / 2π, 0.16
        shown = ax.imshow(share, origin="lower", extent=(-4, 4, -4, 4), cmap="Blues", norm=norm)
        _circles(ax, prior)
        ax.set_title(name, fontsize=9)
        ax.set(xlabel="$z_1$", xticks=range(-4, 5, 2), yticks=range(-4, 5, 2))
    axes[0].set_ylabel("$z_2$")
    fig.colorbar(shown, ax=list(axes), label="share per unit area", extend="max", ticks=[0, 0.05, 0.2, 0.5])
    fig.alt = alt
    return fig


def lengths(codes: Mapping[str, torch.Tensor], alt: str) -> Figure:
    """How the lengths |z| of codes (n, latent_dim) are distributed, a line for each name; N(0, I)'s in grey.

    The latter is the chi distribution with latent_dim degrees of freedom. Taught in notebook 04.
    """
    sizes = {each.shape[1] for each in codes.values()}
    if len(sizes) != 1:
        raise ValueError(f"one chi distribution fits codes of one size, not of {sorted(sizes)}")
    fig = Figure(figsize=(6.4, 3.2), layout="constrained")
    ax, size = fig.subplots(), sizes.pop()
    of = {name: each.detach().cpu().norm(dim=1) for name, each in codes.items()}
    top = max(values.quantile(0.999).item() for values in of.values())
    r = torch.linspace(0.01, top, 400)
    chi = (size - 1) * r.log() - r.square() / 2 - (size / 2 - 1) * math.log(2) - math.lgamma(size / 2)
    ax.fill_between(r, chi.exp(), color="#999999", alpha=0.4, linewidth=0, label=f"N(0, I), {size}-D")
    for (name, values), (colour, style) in _styles(of):
        density, edges = np.histogram(values.numpy(), bins=80, range=(0, top), density=True)
        ax.stairs(density, edges, color=colour, linestyle=style[1:], linewidth=1.3, label=name)
    ax.set(xlabel="length of the code, |z|", ylabel="density", xlim=(0, top))
    ax.legend(frameon=False)
    fig.alt = alt
    return fig


def _check_map(codes: torch.Tensor, labels: torch.Tensor) -> None:
    if codes.ndim != 2 or codes.shape[1] != 2 or len(labels) != len(codes):
        raise ValueError(
            f"a map needs codes (n, 2) and a label for each, not {tuple(codes.shape)} and {len(labels)}"
        )


def _circles(ax, prior: Sequence[float]) -> None:
    """Circles that hold these shares of N(0, I) in 2-D."""
    if not all(0 < share < 1 for share in prior):
        raise ValueError(f"a circle holds a share of the prior between 0 and 1, not {list(prior)}")
    for share in prior:
        radius = math.sqrt(-2 * math.log(1 - share))
        ax.add_patch(Circle((0, 0), radius, fill=False, linewidth=1.2, linestyle="--"))
        ax.annotate(f"{share:.0%}", (0, radius), ha="center", va="bottom", fontsize=9)


def _styles(curves: Mapping, most: int = 5):
    """Each named series with a colour, a marker and a dash of its own."""
    if len(curves) > most:
        raise ValueError(f"a figure tells {most} lines apart, not {len(curves)}: draw two figures")
    looks = zip((BLUE, VERMILLION, GREEN, PURPLE, BLACK), ("o-", "s--", "D:", "^-.", "v-"), strict=True)
    return zip(curves.items(), looks, strict=False)


def _in_range(images: torch.Tensor) -> torch.Tensor:
    pixels = to_float(images).detach().cpu()
    # A linear method's images overshoot [0, 1] a little, and are clipped; bytes taken for floats do more.
    if pixels.numel() and not pixels.abs().max() <= 2:
        raise ValueError("images must be uint8, or floats in [0, 1]: divide 0 … 255 by 255")
    return pixels


def _show(ax, image: torch.Tensor) -> None:
    pixels = _in_range(image).permute(1, 2, 0).squeeze(-1).numpy()
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=1)
