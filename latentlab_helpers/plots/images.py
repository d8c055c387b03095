"""Images in rows, and images that tile a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .base import Figure, in_range, show, single, tiled


def image_rows(rows: Mapping[str, torch.Tensor], alt: str, titles: Sequence[str] = ()) -> Figure:
    """Rows of images, with their names on the left.

    Parameters
    ----------
    rows : mapping of str to torch.Tensor
        For each name images (n, channels, height, width): uint8, or floats in [0, 1].
    alt : str
        The text alternative.
    titles : sequence of str
        The columns' titles.

    Returns
    -------
    Figure
        One row a name.

    Notes
    -----
    Used in every notebook.
    """
    columns = max(len(images) for images in rows.values())
    fig = Figure(alt, (1.3 + 0.72 * columns, 0.3 + 0.78 * len(rows)))
    axes = fig.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax in line:
            ax.axis("off")
        for ax, image in zip(line, in_range(images), strict=False):
            show(ax, image.permute(1, 2, 0).squeeze(-1).numpy())
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=9)
    return fig


def image_plane(images: torch.Tensor, extent: Sequence[float], axes: Sequence[str], alt: str) -> Figure:
    """A square of images that tile a plane, row by row from the top left.

    Parameters
    ----------
    images : torch.Tensor
        (n², channels, height, width), in [0, 1].
    extent : sequence of float
        The coordinates at the centres of the left, right, bottom and top tiles.
    axes : sequence of str
        The names of the horizontal and of the vertical axis.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        The plane, with its coordinates.

    Raises
    ------
    ValueError
        If the images don't make a square of four or more.

    Notes
    -----
    Used in notebooks 01 and 02.
    """
    n = round(len(images) ** 0.5)
    if n < 2 or n * n != len(images):
        raise ValueError(f"a square needs n² images, 4 or more, not {len(images)}")
    fig, ax = single(alt, 5.4, 5.2)
    left, right, bottom, top = extent
    dx, dy = (right - left) / (n - 1) / 2, (top - bottom) / (n - 1) / 2  # from the centres to the edges
    edges = (left - dx, right + dx, bottom - dy, top + dy)
    show(ax, tiled(in_range(images), n), extent=edges, aspect="auto")
    ax.set(xlabel=axes[0], ylabel=axes[1])
    return fig
