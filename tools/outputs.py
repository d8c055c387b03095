"""What counts in a notebook's outputs, for the build that saves them and the tests that compare."""

from __future__ import annotations

import base64
import io
import re

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


def same_artist(a: str, b: str) -> bool:
    """Whether one version of matplotlib drew both, or none did: then they should agree pixel by pixel."""
    return _open(a).info.get("Software") == _open(b).info.get("Software")


def largest_difference(a: str, b: str) -> float:
    """The largest difference of any pixel's colour, 0 to 1; 1 for pictures of two sizes."""
    x, y = (np.asarray(_open(picture).convert("RGB"), float) / 255 for picture in (a, b))
    return float(abs(x - y).max()) if x.shape == y.shape else 1.0


def _open(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture)))


NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w|\.\w)")


def same_numbers(old: str, new: str, rel: float, absolute: float = 0.0) -> bool:
    """Whether texts are the same but for spaces, and for numbers that are near, or off by a last digit.

    Near is: by the share rel of the old number, and by absolute on top.
    """
    words = [NUMBER.sub("#", " ".join(text.split())) for text in (old, new)]
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=False)
    return words[0] == words[1] and all(
        abs(float(a) - float(b))
        <= rel * abs(float(a)) + absolute + ("." in a) * 1.001 * 10.0 ** -len(a.partition(".")[2])
        for a, b in pairs
        if a != b
    )
