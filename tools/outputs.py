"""What counts in a notebook's outputs: shared by the build that saves them and the tests that compare."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

WIDGET = "application/vnd.jupyter.widget-view+json"


def lasting(outputs: list) -> list:
    """The outputs that mean something without a kernel: all but widgets and progress bars."""
    return [output for output in outputs if WIDGET not in output.get("data", {})]


def pictures(outputs: list) -> list[str]:
    return [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def picture_difference(a: str, b: str) -> float:
    """How far two base64 PNGs are apart: RMS of their 64×64 greys, relative to the ink of the first.

    0 is the same picture; another matplotlib's fonts move it by a tenth; a curve drawn the wrong way
    round, or images of another model, by a quarter and more.
    """
    ink_a, ink_b = (_ink(picture) for picture in (a, b))
    return float(np.sqrt(((ink_a - ink_b) ** 2).mean() / max((ink_a**2).mean(), 1e-6)))


def _ink(picture: str) -> np.ndarray:
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("L")
    return 1 - np.asarray(image.resize((64, 64), Image.Resampling.BOX), float) / 255
