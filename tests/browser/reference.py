"""What an instrument has to show in a given state, by PyTorch: for the tests, and for notebooks' kernels.

The browser has a model's weights rounded to float16, so they are rounded here. A model that the kernel
computes, because the browser doesn't know it, is taken as it is.
"""

from __future__ import annotations

import base64
import copy
import gc
import json
import math
import weakref
import zlib

import numpy as np
import torch

from latentlab_helpers import explore

# What a reader changes, by kind
STATE = {
    "sliders": ["z"],
    "style": ["z", "label", "digit"],
    "pad": ["z"],
    "morph": ["t", "start", "end"],
    "board": ["strengths", "digit"],
    "draw": ["image", "placed"],
}
HIDDEN, ANY = "hidden", "any"  # a picture that must not be seen, and one of which nothing is known
SAMPLES = 5
SIDE = 640  # of the map, and the width of the strips

_found = {}  # the instruments by their models' names
_rounded = weakref.WeakKeyDictionary()
_codes = weakref.WeakKeyDictionary()


def rounded(model):
    """A copy of the model with the weights that are sent to the browser."""
    if model not in _rounded:
        _rounded[model] = copy.deepcopy(model).cpu().half().float().eval()
    return _rounded[model]


@torch.no_grad()
def describe(widget, state: dict, extra: dict) -> dict:
    """For a widget in this state: its sliders' values, its pictures in order, and where its maps have marks.

    extra: what is no state, but seen: the `noise` behind the samples, the test digit that is `picked`,
    and the code under the `pointer`.
    """
    subject = Subject(widget, state, extra)
    values, pictures, marks, codes = getattr(subject, widget.kind)()
    pictures = [picture if isinstance(picture, str) else levels(picture) for picture in pictures]
    return {"state": state, "values": values, "pictures": pictures, "marks": marks, "codes": codes}


def levels(picture) -> dict:
    """An image (channels, height, width) in [0, 1] as JSON has it."""
    image = (255 * torch.as_tensor(picture)).round().clamp(0, 255).byte()
    image = image.expand(3, *image.shape[1:]).permute(1, 2, 0)
    return {"shape": list(image.shape), "base64": base64.b64encode(image.contiguous().numpy()).decode()}


class Subject:
    """One instrument; a method for each kind, named as it is, gives values, pictures, marks and codes."""

    def __init__(self, widget, state, extra):
        self.widget, self.state, self.extra, self.models = widget, state, extra, widget._models
        self.shape = tuple(widget.digits.shape)
        pixels = np.frombuffer(zlib.decompress(widget.digits.images), np.uint8).copy()
        self.digits = torch.from_numpy(pixels).view(-1, *self.shape) / 255

    def model(self, k, part):
        return rounded(self.models[k]) if getattr(self.widget, part)[k].layers else self.models[k]

    def decoded(self, k, z):
        model = self.model(k, "decoders")
        z = torch.as_tensor(z, dtype=torch.float32)[None].to(device_of(model))
        return model.eval().decode(z)[0].cpu()

    def encoded(self, k, image):
        model = self.model(k, "encoders")
        return mu_and_logvar(model.eval().encode(image[None].to(device_of(model))))

    def codes(self, k):
        """mu of all the digits, by the model as it is: that is what Python sends."""
        model = self.models[k]
        if model not in _codes or len(_codes[model]) != len(self.digits):
            _codes[model] = mu_and_logvar(model.eval().encode(self.digits.to(device_of(model))))[0]
        return _codes[model]

    def place(self, z, k=0):
        low, high = self.widget.low[k], self.widget.high[k]
        x, y = (z[0] - low[0]) / (high[0] - low[0]), (high[1] - z[1]) / (high[1] - low[1])
        return [SIDE * x, SIDE * y]

    def ring(self, z, radius, k=0):
        """Points of the black ring that marks a code on the map."""
        x, y = self.place(z, k)
        return [[x + radius, y], [x - radius, y], [x, y + radius], [x, y - radius]]

    def sliders(self):
        z = self.state["z"]
        return [z[i] for i in self.widget.order], [self.decoded(0, z)], [], []

    def style(self):
        z, label, real = self.state["z"], self.state["label"], self.digits[self.state["digit"]]
        told = torch.eye(self.widget.latent_dim[0] - len(z)).tolist()
        each = [self.decoded(0, [*z, *one]) for one in told]
        return [z[i] for i in self.widget.order], [real, real, each[label], *each], [], []

    def pad(self):
        z = self.state["z"]
        return (
            list(z),
            [self.decoded(0, z), self.near(self.extra.get("pointer") or z)],
            [self.ring(z, 11)],
            [],
        )

    def near(self, z):
        """The real digit that is nearest, if it lies within a twentieth of the map's side."""
        x, y = self.place(z)
        places = [self.place(code) for code in self.codes(0).tolist()]
        distances = [math.hypot(a - x, b - y) for a, b in places]
        i = distances.index(min(distances))
        return self.digits[i] if distances[i] <= 0.05 * SIDE else HIDDEN

    def morph(self):
        t, start, end = self.state["t"], self.state["start"], self.state["end"]
        ends = [self.digits[start], self.digits[end]]
        paths = [self.codes(k)[[start, end]] for k in range(len(self.models))]
        decoded = [self.decoded(k, (1 - t) * a + t * b) for k, (a, b) in enumerate(paths)]
        return [t], [*ends, *decoded, (1 - t) * ends[0] + t * ends[1]], [], []

    def board(self):
        strengths, digit = self.state["strengths"], self.state["digit"]
        decoded = []
        for k, vectors in enumerate(self.widget.vectors):
            size = self.widget.latent_dim[k]
            vectors = torch.from_numpy(np.frombuffer(vectors, np.float32).copy()).view(len(strengths), size)
            decoded.append(
                self.decoded(k, self.codes(k)[digit] + torch.tensor(strengths, dtype=torch.float32) @ vectors)
            )
        return list(strengths), [self.digits[digit], self.digits[digit], *decoded], [], []

    def draw(self):
        image = torch.tensor(list(self.state["image"]), dtype=torch.uint8).view(self.shape) / 255
        codes = [self.encoded(k, image) for k in range(len(self.models))]
        pictures = [image, self.digits[self.extra.get("picked", 0)]]
        noise, marks, numbers = self.noise(), [], []
        for k, (mu, logvar) in enumerate(codes):
            mu, logvar = mu[0], None if logvar is None else logvar[0]
            seen = [self.decoded(k, mu)]
            if logvar is not None and noise is not None:
                seen += [self.decoded(k, mu + (logvar / 2).exp() * e) for e in noise[k]]
            elif logvar is not None:
                seen += SAMPLES * [ANY]
            pictures += seen if image.any() else len(seen) * [HIDDEN]
            marks.append(self.placed(mu.tolist(), k, logvar is not None))
            numbers.append({"mu": mu.tolist(), "logvar": None if logvar is None else logvar.tolist()})
        return [], pictures, marks if image.any() else [], numbers if image.any() else []

    def placed(self, mu, k, gaussian):
        """The dot or ring that marks a code on the map, or the dots of its coordinates on the strips."""
        if len(mu) == 2:
            return [self.place(mu, k)] if gaussian else self.ring(mu, 9, k)
        bottom, top = min(self.widget.low[k]), max(self.widget.high[k])
        return [
            [(i + 0.5) * SIDE / len(mu), 12 + (top - value) / (top - bottom) * 216]
            for i, value in enumerate(mu)
        ]

    def noise(self):
        """The Gaussian numbers that the front end made of the uniform ones that were recorded."""
        uniform = self.extra.get("noise")
        if not uniform:
            return None
        numbers, result = gaussian(uniform), []
        for size in self.widget.latent_dim:
            result.append(torch.tensor(numbers[: SAMPLES * size]).view(SAMPLES, size))
            numbers = numbers[SAMPLES * size :]
        return result


def gaussian(uniform: list[float]) -> list[float]:
    """Box and Muller's numbers, of two uniform ones each."""
    pairs = zip(uniform[::2], uniform[1::2], strict=False)
    return [math.sqrt(-2 * math.log(1 - a)) * math.cos(2 * math.pi * b) for a, b in pairs]


def mu_and_logvar(code):
    mu, logvar = code if isinstance(code, tuple) else (code, None)
    return mu.cpu(), None if logvar is None else logvar.cpu()


def device_of(model):
    return next(model.parameters()).device


# --- for a notebook's kernel ---------------------------------------------------------------------------


def instruments() -> list:
    """This process's open instruments."""
    return [w for w in gc.get_objects() if issubclass(type(w), explore.Instrument) and w.comm]


def mark() -> None:
    """Print each instrument's facts by its model's name, and write this name into its element's style."""
    _found.update({widget.model_id: widget for widget in instruments()})
    for name, widget in _found.items():
        widget.layout.grid_area = "ll-" + name  # anywidget heeds a layout, and no added class
    print(json.dumps({name: facts(widget) for name, widget in _found.items()}))


def facts(widget) -> dict:
    """What doesn't change, and a test needs to know."""
    names = ("kind", "title", "low", "high", "mean", "start", "order", "use", "singles", "latent_dim")
    names += ("variational",)
    own = {name: getattr(widget, name) for name in names if widget.has_trait(name)}
    factor = np.frombuffer(getattr(widget, "factor", b""), np.float32).tolist()
    if widget.kind == "style":
        codes = np.frombuffer(widget.codes[0], np.float32).reshape(-1, widget.latent_dim[0])
        own["styles"] = codes[:, : len(widget.z)].tolist()
    return {**own, "factor": factor, "labels": widget.digits.labels, "shape": widget.digits.shape}


def tell(model_id: str, extra: dict) -> None:
    """Print `describe` of one instrument, as it is now."""
    widget = _found[model_id]
    state = {name: getattr(widget, name) for name in STATE[widget.kind]}
    if "image" in state:
        state["image"] = list(state["image"])
    print(json.dumps(describe(widget, state, extra)))
