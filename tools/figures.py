"""What figures show, as numbers. In the build's and the tests' kernels it goes beside the picture.

Pixels tell whether a figure of shipped weights is the saved one, if the same matplotlib drew both. Otherwise,
and for a model that was trained on the spot, what the figures show is compared here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from PIL import Image

# Every Python kernel runs this file first, if PYTHONSTARTUP names it.
STARTUP = Path(__file__).with_name("kernel_startup.py")

# How far the data of a figure may be from the saved ones. With another instruction set, another number of
# threads or the oldest PyTorch they were up to 0.12 away (lines), 0.21 (points) and 0.17 (images); wrong
# figures are further away. Where more depends on chance, as in the choice of neighbours, or in the order of
# dimensions by their use, a cell's metadata state a limit, as "live".
LIVE = "live-figure"  # the tag of cells whose figures are of a model that the run itself has trained
ALLOWED = {"lines": 0.2, "points": 0.35, "images": 0.2}
SHIPPED = {"lines": 0.02, "points": 0.02, "images": 0.02}  # of shipped weights: rounding


def install(shell: Any) -> None:
    """Let a kernel send the data of each figure, and of an instrument's still picture, beside the picture."""

    def with_data(data_of: Callable[[Any], list[dict]]) -> Callable:
        def shown(thing: Any, **_: Any) -> tuple[dict, dict]:
            data, metadata = thing._repr_mimebundle_()
            metadata["image/png"]["data"] = json.dumps(data_of(thing), separators=(",", ":"))
            return data, metadata

        return shown

    bundles = shell.display_formatter.mimebundle_formatter
    bundles.for_type_by_name("latentlab_helpers.plots.base", "Figure", with_data(data_of))
    bundles.for_type_by_name("latentlab_helpers.explore.widgets", "Instrument", with_data(data_of_still))


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


def data_of_still(instrument: Any) -> list[dict[str, Any]]:
    """What an instrument's still picture shows, in the same form; as many pixels as a panel has."""
    if hasattr(instrument, "figure"):
        return data_of(instrument.figure())
    pixels = instrument._still.permute(1, 2, 0).numpy()
    return [{"title": instrument.title, "images": [_small(pixels, None)]}]


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


def _short(values: Any) -> list[float]:
    """At most 40 of the values, evenly spaced, with four digits."""
    flat = np.asarray(values, float).ravel()
    chosen = flat[np.unique(np.linspace(0, len(flat) - 1, min(len(flat), 40)).round().astype(int))]
    return [float(f"{value:.4g}") for value in chosen]


def _small(pixels: np.ndarray, norm: Any) -> str:
    """An image as bytes of grey, a quarter of its pixels and at most 60 × 60, in base64."""
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else np.asarray(norm(pixels), float)
    image = Image.fromarray((grey.clip(0, 1) * 255).round().astype(np.uint8)).reduce(2)
    image.thumbnail((60, 60), Image.Resampling.BOX)
    return f"{image.width}x{image.height}:{base64.b64encode(image.tobytes()).decode()}"


def deviations(old: list[dict], new: list[dict]) -> dict[str, float]:
    """How far a figure's data are from the saved ones, by kind; ValueError if they aren't of one form.

    "lines" is the largest difference of two curves' heights, of the range that the panel shows. "points" is
    the root mean square over clouds of the change of a spread (its logarithm) or of a middle (in spreads of a
    cloud), whichever is larger. "images" is that of the pixels' differences, in standard deviations of the
    old pixels.
    """
    form = [[panel_form(panel) for panel in figure] for figure in (old, new)]
    if form[0] != form[1]:
        raise ValueError("the figure has other panels, lines or clouds than the saved one")
    found: dict[str, float] = {}
    apart, own, moves = 0.0, 0.0, []
    for before, after in zip(old, new, strict=True):
        if lines := list(zip(before.get("lines", []), after.get("lines", []), strict=True)):
            heights = np.concatenate([line["y"] for line, _ in lines])
            span = np.ptp(heights) or abs(heights).max() or 1
            far = max(abs(np.subtract(a["y"], b["y"])).max() for a, b in lines) / span
            found["lines"] = max(found.get("lines", 0.0), float(far))
        clouds = list(zip(before.get("points", []), after.get("points", []), strict=True))
        if clouds:
            spreads, middles = ([a[what] for a, _ in clouds] for what in ("spread", "median"))
            whole = np.mean(spreads) or np.std(middles, axis=0).max() or 1  # single points have no spread
            for a, b in clouds:
                wider = abs(np.log(np.add(b["spread"], 1e-9) / np.add(a["spread"], 1e-9))).max()
                moved = abs(np.subtract(b["median"], a["median"])).max() / whole
                moves.append(max(wider, moved))
            found["points"] = float(np.mean(np.square(moves))) ** 0.5
        for a, b in zip(before.get("images", []), after.get("images", []), strict=True):
            x, y = (
                np.frombuffer(base64.b64decode(image.partition(":")[2]), np.uint8) / 255 for image in (a, b)
            )
            apart, own = apart + float(((x - y) ** 2).sum()), own + float(((x - x.mean()) ** 2).sum())
            found["images"] = (apart / max(own, 1e-9)) ** 0.5
    return found


def panel_form(panel: dict[str, Any]) -> tuple:
    """What no training changes: titles, names, numbers of points, sizes of images."""
    return (
        panel["title"],
        [(line["label"], len(line["y"])) for line in panel.get("lines", [])],
        [(cloud["label"], cloud["number"]) for cloud in panel.get("points", [])],
        [image.partition(":")[0] for image in panel.get("images", [])],
    )


def of_outputs(outputs: list) -> list[list[dict]]:
    """The data of each figure among a cell's outputs."""
    sent = (output.get("metadata", {}).get("image/png", {}) for output in outputs)
    return [json.loads(metadata["data"]) for metadata in sent if "data" in metadata]


def disagreement(old: list[list[dict]], new: list[list[dict]], allowed: dict[str, float]) -> str | None:
    """Why a cell's figures show something else than the saved ones did; None if they don't."""
    if not old or len(old) != len(new):
        return f"{len(old)} saved figures have data, and {len(new)} new ones"
    for before, after in zip(old, new, strict=True):
        if not before:
            return "it shows nothing that could be compared: see _panel_data"
        try:
            found = deviations(before, after)
        except ValueError as error:
            return str(error)
        for kind, far in found.items():
            if not far <= allowed[kind]:
                return f"its {kind} are {far:.2f} away (allowed: {allowed[kind]})"
    return None
