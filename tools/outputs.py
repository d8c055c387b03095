"""What counts in a notebook's outputs, for the build that saves them and the tests that compare."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

WIDGET = "application/vnd.jupyter.widget-view+json"


def lasting(outputs: list) -> list:
    """The outputs that mean something without a kernel: of widgets, only still pictures."""
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if WIDGET not in data:
            kept.append(output)
        elif "image/png" in data:
            still = {kind: value for kind, value in data.items() if kind != WIDGET}
            kept.append(type(output)({**output, "data": still}))
    return kept


def pictures(outputs: list) -> list[str]:
    return [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def picture_difference(a: str, b: str) -> float:
    """How far two base64 PNGs are apart: RMS of their 64×64 greys, relative to the ink of the first.

    0 is the same picture; another matplotlib's fonts move it by a tenth; a curve drawn the wrong way
    round, or images of another model, by a quarter and more.
    """
    ink_a, ink_b = (_ink(picture) for picture in (a, b))
    return float(np.sqrt(((ink_a - ink_b) ** 2).mean() / max((ink_a**2).mean(), 1e-6)))


def same_artist(a: str, b: str) -> bool:
    """Whether one version of matplotlib drew both: then they should agree pixel by pixel."""
    software = [_open(picture).info.get("Software") for picture in (a, b)]
    return software[0] == software[1] is not None


def largest_difference(a: str, b: str) -> float:
    """The largest difference of any pixel's colour, 0 to 1; 1 for pictures of two sizes."""
    x, y = (np.asarray(_open(picture).convert("RGB"), float) / 255 for picture in (a, b))
    return float(abs(x - y).max()) if x.shape == y.shape else 1.0


def _open(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture)))


def _ink(picture: str) -> np.ndarray:
    image = _open(picture).convert("L")
    return 1 - np.asarray(image.resize((64, 64), Image.Resampling.BOX), float) / 255
