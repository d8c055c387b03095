"""What figures show, as numbers. In the build's and the tests' kernels it goes beside the picture.

Pixels tell whether a figure of shipped weights is the saved one. Those of a model that was trained on the
spot move from machine to machine; what they show moves less, and is compared here.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from PIL import Image

# Every Python kernel runs this file first, if PYTHONSTARTUP names it.
STARTUP = Path(__file__).with_name("kernel_startup.py")


def install(shell: Any) -> None:
    """Let a kernel send each figure's data beside its picture."""

    def shown(fig: Any, **_: Any) -> tuple[dict, dict]:
        data, metadata = fig._repr_mimebundle_()
        metadata["image/png"]["data"] = data_of(fig)
        return data, metadata

    bundles = shell.display_formatter.mimebundle_formatter
    bundles.for_type_by_name("latentlab_helpers.plots.base", "Figure", shown)


def data_of(fig: Figure) -> list[dict[str, Any]]:
    """What a figure shows, as numbers: tests compare these where a retrained model moves the pixels.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Any figure.

    Returns
    -------
    list of dict
        For each panel its ``title`` and, as far as it has them, ``lines`` (label, x and y), ``points``
        (label, number, median and spread of a scatter) and ``images`` (base64 of at most 60 × 60 bytes).
    """
    return [panel for panel in map(_panel_data, fig.axes) if len(panel) > 1]


def _panel_data(ax: Axes) -> dict[str, Any]:
    panel: dict[str, Any] = {"title": ax.get_title()}
    if lines := [line for line in ax.lines if len(line.get_xdata())]:
        panel["lines"] = [
            {"label": str(line.get_label()), "x": _short(line.get_xdata()), "y": _short(line.get_ydata())}
            for line in lines
        ]
    for steps in (patch for patch in ax.patches if isinstance(patch, StepPatch)):
        heights, edges, _ = steps.get_data()
        line = {"label": str(steps.get_label()), "x": _short(edges[1:]), "y": _short(heights)}
        panel.setdefault("lines", []).append(line)
    scattered: dict[str, list[np.ndarray]] = {}
    for cloud in ax.collections:
        if len(places := np.asarray(cloud.get_offsets(), float)) and cloud.get_gid():
            scattered.setdefault(str(cloud.get_gid()), []).append(places)
    if scattered:
        panel["points"] = [
            {
                "label": name,
                "number": len(all_places := np.concatenate(places)),
                "median": _short(np.median(all_places, axis=0)),
                "spread": _short(all_places.std(axis=0)),
            }
            for name, places in scattered.items()
        ]
    if ax.images:
        panel["images"] = [_small(np.asarray(image.get_array(), float), image.norm) for image in ax.images]
    return panel


def _short(values: Any, most: int = 40) -> list[float]:
    """At most `most` of the values, evenly spaced, with four digits."""
    flat = np.asarray(values, float).ravel()
    chosen = flat[np.unique(np.linspace(0, len(flat) - 1, min(len(flat), most)).round().astype(int))]
    return [float(f"{value:.4g}") for value in chosen]


def _small(pixels: np.ndarray, norm: Any) -> str:
    """An image as bytes of grey, at most 60 × 60, in base64."""
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else np.asarray(norm(pixels), float)
    image = Image.fromarray((grey.clip(0, 1) * 255).round().astype(np.uint8))
    image.thumbnail((60, 60), Image.Resampling.BOX)
    return f"{image.width}x{image.height}:{base64.b64encode(image.tobytes()).decode()}"
