"""Maps of a two-dimensional latent space: points, densities, and the images themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.legend import Legend
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

from .base import BLUE, CLASS_COLOURS, Figure, class_look, in_range, panels, show, single

HALO = [withStroke(linewidth=2.5, foreground="white")]  # so that points don't disturb a word


def latent_map(
    codes: torch.Tensor,
    labels: torch.Tensor,
    alt: str,
    prior: Sequence[float] = (),
    classes: Sequence[str] = (),
) -> Figure:
    """Codes as a map, coloured and marked by class.

    Parameters
    ----------
    codes : torch.Tensor
        (n, 2).
    labels : torch.Tensor
        (n,), whole numbers from 0 on.
    alt : str
        The text alternative.
    prior : sequence of float
        Circles that hold these shares of N(0, I), whose radius in 2-D is sqrt(-2 log(1 - share)).
    classes : sequence of str
        The classes' names; without any, a label is its own name.

    Returns
    -------
    Figure
        One panel.

    Raises
    ------
    ValueError
        For codes that aren't (n, 2), labels of another number, or a share outside (0, 1).

    Notes
    -----
    Used in notebooks 01 and 02.
    """
    fig, ax = single(alt, 6.2, 5.0)
    _scatter(ax, codes, labels, classes, {"s": 12, "alpha": 0.7}, turns=8)
    _circles(ax, prior)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    legend = ax.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    _enlarge(legend)
    return fig


def point_maps(
    maps: Mapping[str, torch.Tensor],
    labels: torch.Tensor | None,
    alt: str,
    columns: int = 2,
    inches: float = 3.4,
    classes: Sequence[str] = (),
    names: bool = True,
) -> Figure:
    """Maps of the same points, a panel for each name, coloured and marked by class if there are labels.

    Without numbers at the axes: those of a map that t-SNE makes mean nothing.

    Parameters
    ----------
    maps : mapping of str to torch.Tensor
        For each name (n, 2).
    labels : torch.Tensor or None
        (n,), whole numbers from 0 on.
    alt : str
        The text alternative.
    columns : int
        Panels in a row.
    inches : float
        The side of a panel.
    classes : sequence of str
        The classes' names; without any, a label is its own name.
    names : bool
        Whether a class's name stands in its middle, too. Where classes lie on each other, so would the names.

    Returns
    -------
    Figure
        One panel a map.

    Raises
    ------
    ValueError
        For maps that aren't (n, 2), or labels of another number.

    Notes
    -----
    Used in notebooks 04, 07, 08 and 10.
    """
    fig, axes = panels(alt, len(maps), columns, inches, inches + 0.2)
    for ax, (name, codes) in zip(axes, maps.items(), strict=True):
        if labels is None:
            x, y = _checked(codes, codes).T
            ax.scatter(x, y, s=2 * inches, color="#444444", linewidths=0, gid="all")
        else:
            _scatter(ax, codes, labels, classes, {"s": 3 * inches}, names=names)
        ax.set(xticks=[], yticks=[])
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_title(name, fontsize=9)
    if labels is not None:
        handles = axes[0].get_legend_handles_labels()
        _enlarge(fig.legend(*handles, title="class", loc="outside right center", frameon=False))
    return fig


def digit_maps(
    maps: Mapping[str, torch.Tensor], images: torch.Tensor, labels: torch.Tensor, alt: str
) -> Figure:
    """Maps with the images themselves at their codes: grey ones tinted by class, coloured ones as they are.

    Where two would overlap, the later one is left out, and so are those beyond the middle 99.6 % of an axis.

    Parameters
    ----------
    maps : mapping of str to torch.Tensor
        For each name (n, 2).
    images : torch.Tensor
        (n, channels, height, width): uint8, or floats in [0, 1].
    labels : torch.Tensor
        (n,), whole numbers from 0 on.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel a map, side by side.

    Raises
    ------
    ValueError
        As for `point_maps`.

    Notes
    -----
    Used in notebook 04.
    """
    # Axes of whole pixels, so that the images, too, are drawn pixel by pixel: sharp, and half as many bytes.
    side, width, height = 420, 480 * len(maps) + 15, 495
    fig = Figure(alt, (width / 100, height / 100), layout=None, dpi=100)
    for number, (name, codes) in enumerate(maps.items()):
        codes = _checked(codes, labels)
        ax = fig.add_axes(((60 + 480 * number) / width, 48 / height, side / width, side / height))
        low, high = codes.quantile(torch.tensor([0.002, 0.998]), dim=0)
        middle, half = (low + high) / 2, 0.52 * (high - low).max()
        (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
        canvas = _images_at((codes - middle) / (2 * half) + 0.5, images, labels, side)
        ax.imshow(canvas, extent=(left, right, bottom, top), interpolation="nearest")
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
        ax.set_title(name, fontsize=10)
    return fig


def density_maps(maps: Mapping[str, torch.Tensor], alt: str, prior: Sequence[float] = (0.5, 0.99)) -> Figure:
    """How densely codes lie, a panel for each name, all with the same axes and colours.

    Parameters
    ----------
    maps : mapping of str to torch.Tensor
        For each name (n, 2).
    alt : str
        The text alternative.
    prior : sequence of float
        Circles, as in `latent_map`.

    Returns
    -------
    Figure
        One panel a map, in one scale of colours.

    Raises
    ------
    ValueError
        For codes that aren't (n, 2), or a share outside (0, 1).

    Notes
    -----
    Used in notebook 04.
    """
    fig, axes = panels(alt, len(maps), len(maps), 2.6, 3.0, sharey=True)
    edges = np.linspace(-4, 4, 41)
    for ax, (name, codes) in zip(axes, maps.items(), strict=True):
        x, y = _checked(codes, codes).double().numpy().T
        counts, _, _ = np.histogram2d(x, y, bins=[edges, edges])
        share = counts.T / len(codes) / (edges[1] - edges[0]) ** 2
        norm = PowerNorm(0.5, vmin=0, vmax=0.5)  # the prior's peak is 1 / 2π, 0.16
        shown = ax.imshow(share, origin="lower", extent=(-4, 4, -4, 4), cmap="Blues", norm=norm)
        _circles(ax, prior)
        ax.set_title(name, fontsize=9)
        ax.set(xlabel="$z_1$", xticks=range(-4, 5, 2), yticks=range(-4, 5, 2))
    axes[0].set_ylabel("$z_2$")
    fig.colorbar(shown, ax=axes, label="share per unit area", extend="max", ticks=[0, 0.05, 0.2, 0.5])
    return fig


def training(
    codes: torch.Tensor,
    labels: torch.Tensor,
    curves: tuple[Sequence[int], Mapping[str, Sequence[float]]],
    rows: Mapping[str, torch.Tensor],
    alt: str,
    classes: Sequence[str] = (),
) -> Figure:
    """How far a training is: the map of the codes, a curve for each term of the loss, rows of images.

    Parameters
    ----------
    codes : torch.Tensor
        (n, 2).
    labels : torch.Tensor
        (n,), whole numbers from 0 on.
    curves : tuple
        The steps, and by name each term of the loss there.
    rows : mapping of str to torch.Tensor
        For each name images (m, channels, height, width): uint8, or floats in [0, 1].
    alt : str
        The text alternative.
    classes : sequence of str
        The classes' names; without any, a label is its own name.

    Returns
    -------
    Figure
        The map on the left, all else on the right.

    Raises
    ------
    ValueError
        For codes that aren't (n, 2), or labels of another number.

    Notes
    -----
    The picture that `explore.trainer` leaves behind, in notebooks 01 and 02.
    """
    steps, terms = curves
    fig = Figure(alt, (8.6, 4.4))
    left, right = fig.subfigures(1, 2, squeeze=False, width_ratios=(5, 4))[0]
    ax = left.subplots()
    _scatter(ax, codes, labels, classes, {"s": 12, "alpha": 0.7}, turns=8)
    ax.set(aspect="equal", adjustable="datalim")
    ax.tick_params(labelsize=8)
    axes = right.subplots(len(terms) + len(rows), 1, height_ratios=[2.2] * len(terms) + [1] * len(rows))
    for ax, (name, values) in zip(axes, terms.items(), strict=False):
        ax.plot(steps, values, color=BLUE, label=name)
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=8)
    for ax, (name, images) in zip(axes[len(terms) :], rows.items(), strict=True):
        show(ax, torch.cat([*in_range(images)], dim=2).permute(1, 2, 0).squeeze(-1).numpy())
        ax.set_title(name, fontsize=9)
        ax.axis("off")
    return fig


def _scatter(
    ax: Axes,
    codes: torch.Tensor,
    labels: torch.Tensor,
    classes: Sequence[str],
    look: Mapping,
    turns: int = 1,
    names: bool = True,
) -> None:
    """The codes of each class in its colour; in turns, so that no class lies on top of all the others."""
    codes, labels = _checked(codes, labels), labels.detach().cpu()
    known = [classes[k] if k < len(classes) else str(k) for k in range(int(labels.max()) + 1)]
    for turn in range(turns):
        for label, name in enumerate(known):
            x, y = codes[turn::turns][labels[turn::turns] == label].T
            legend = None if turn else name
            ax.scatter(x, y, **look, **class_look(label), linewidths=0, label=legend, gid=name)
    named = labels.unique().tolist() if names else []
    for label in named:  # on top of all points: where a class is, in words
        x, y = codes[labels == label].median(dim=0).values.tolist()
        ax.annotate(
            known[int(label)], (x, y), ha="center", va="center", fontsize=10, weight="bold", path_effects=HALO
        )


def _enlarge(legend: Legend) -> None:
    for handle in filter(None, legend.legend_handles):
        handle.set(alpha=1, sizes=[28])


def _images_at(places: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, side: int) -> np.ndarray:
    """A square picture (side, side, 3) with the images at their places (n, 2) in [0, 1]."""
    size, apart, levels = 20, np.array([12, 15]), 7  # digits are higher than wide
    pixels = in_range(images)
    height, width = pixels.shape[2:]
    rows, columns = (slice(n // 9, n - n // 9) for n in (height, width))  # MNIST's digits leave so much empty
    inner = F.interpolate(pixels[:, :, rows, columns], (size, size), mode="bilinear", antialias=True)
    ink = np.round(inner.permute(0, 2, 3, 1).numpy() * levels) / levels
    x, y = places[:, 0].numpy(), 1 - places[:, 1].numpy()
    corners = np.stack([x, y], axis=1) * side - size / 2
    canvas, taken = np.ones((side, side, 3)), np.empty((0, 2))
    for corner, shape, label in zip(corners.round(), ink, labels.tolist(), strict=True):
        inside = (corner >= 0).all() and (corner <= side - size).all()
        if inside and not (abs(taken - corner) < apart).all(axis=1).any():
            taken = np.append(taken, [corner], axis=0)
            left, top = corner.astype(int)
            part = canvas[top : top + size, left : left + size]
            tint = to_rgb(CLASS_COLOURS[label % len(CLASS_COLOURS)])
            part[:] = shape if shape.shape[2] == 3 else (1 - shape) * part + shape * tint
    return canvas


def _checked(codes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The codes on the CPU, if they are a map and every one has a label."""
    if codes.ndim != 2 or codes.shape[1] != 2 or len(labels) != len(codes):
        raise ValueError(
            f"a map needs codes (n, 2) and a label for each, not {tuple(codes.shape)} and {len(labels)}"
        )
    return codes.detach().cpu()


def _circles(ax: Axes, prior: Sequence[float]) -> None:
    """Circles that hold these shares of N(0, I) in 2-D."""
    if not all(0 < share < 1 for share in prior):
        raise ValueError(f"a circle holds a share of the prior between 0 and 1, not {list(prior)}")
    for share in prior:
        radius = math.sqrt(-2 * math.log(1 - share))
        ax.add_patch(Circle((0, 0), radius, fill=False, linewidth=1.2, linestyle="--"))
        where: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 9}
        ax.annotate(f"{share:.0%}", (0, radius), **where, path_effects=HALO)
