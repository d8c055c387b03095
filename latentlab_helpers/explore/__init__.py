"""The instruments: sliders, pad, morph, attribute board and drawing, on any model that encodes and decodes.

Each is an ipywidgets widget, and one call makes it. Its front end, explore.js, encodes and decodes in the
browser; the kernel is asked only for a network that the browser doesn't know. `models` is one model or, where
several are compared, a dictionary of them by name; `data` is an `ImageSet`, by default MNIST's test set, of
which the first 500 images are offered. Errors are ValueError: a model without encoder or decoder, or with
weights that aren't finite, images or codes of a size that doesn't fit. Notebook 01 builds sliders by hand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import warnings
import weakref
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import anywidget
import torch
import traitlets
from ipywidgets import widget_serialization
from torch import nn

from .. import attributes
from ..datasets import ImageSet, load, to_float
from ..files import shipped
from ..latent import attribute_vector, grid, lerp, rank_dimensions, traversal
from ..losses import kl_per_dimension
from ..models import evaluating, posterior
from ..plots import DIGITS, to_png
from . import export

POOL = 500  # images that an instrument offers, the first of the data
ATTRIBUTES = ("thickness", "slant", "width")


FRONT = ("networks.js", "controls.js", "state.js", "instruments.js")  # one subject each, in this order
FOLDER = Path(__file__).with_name("front")
STYLE = (FOLDER / "style.css").read_text("utf-8")


def front_end() -> str:
    """The front end as one ES module: its files, one behind the other."""
    return "\n".join((FOLDER / name).read_text("utf-8") for name in FRONT if (FOLDER / name).exists())


class Shared(anywidget.AnyWidget):
    """What several instruments use, sent to the browser once."""

    _esm = "export default {};"
    _sent: dict[bytes, Shared] = {}

    @classmethod
    def of(cls, content: bytes, *about, make: Callable[[], dict]):
        """The one that was made of this content before, or a new one, with the state that `make` gives."""
        key = hashlib.sha256(repr((cls.__name__, about)).encode() + content).digest()
        made = cls._sent.get(key)
        if made is None or made.comm is None:  # none yet, or closed since
            made = cls._sent[key] = cls(**make())
        return made


class Digits(Shared):
    """Real images, uint8 (n, channels, height, width) and deflated, with their labels."""

    images = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    colours = traitlets.List(DIGITS).tag(sync=True)


class Network(Shared):
    """An encoder or a decoder, as `export` describes it. Without layers, the kernel computes it."""

    layers = traitlets.List().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)


class Number(traitlets.Float):
    """A finite number."""

    def validate(self, obj, value):
        value = super().validate(obj, value.item() if hasattr(value, "item") else value)
        if not math.isfinite(value):
            raise traitlets.TraitError(f"{self.name or 'a coordinate'} must be finite, not {value}")
        return value


class Numbers(traitlets.List):
    """As many finite numbers as it had first; a tensor or an array will do."""

    def __init__(self, **keywords):
        super().__init__(Number(), **keywords)

    def validate(self, obj, value):
        value = value.tolist() if hasattr(value, "tolist") else value
        value = super().validate(obj, list(value) if isinstance(value, tuple) else value)
        before = obj._trait_values.get(self.name)
        if before and len(value) != len(before):
            raise traitlets.TraitError(f"{self.name} must have {len(before)} numbers, not {len(value)}")
        return value

    def get(self, obj, cls=None):
        return list(super().get(obj, cls))  # a copy: what is changed in place goes unnoticed


class Instrument(anywidget.AnyWidget):
    """What all instruments have. Their state says everything that explore.js needs, here and on the page."""

    _esm = front_end()
    _css = STYLE
    _ipython_display_ = None  # ipywidgets 7 has one, which would leave out the still picture

    kind = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    latent_dim = traitlets.List().tag(sync=True)
    variational = traitlets.List().tag(sync=True)
    digits = traitlets.Instance(Digits).tag(sync=True, **widget_serialization)
    codes = traitlets.List().tag(sync=True)  # of the digits, float32 (n, latent_dim), for each model
    low = traitlets.List().tag(sync=True)  # the axes' ends, for each model
    high = traitlets.List().tag(sync=True)
    decoders = traitlets.List().tag(sync=True, **widget_serialization)
    encoders = traitlets.List().tag(sync=True, **widget_serialization)
    singles = traitlets.List().tag(sync=True)  # names of the numbers that stand for a list's elements
    ask_decode = traitlets.Dict().tag(sync=True)  # what the browser can't compute, and what the kernel says
    answer_decode = traitlets.Dict().tag(sync=True)
    ask_encode = traitlets.Dict().tag(sync=True)
    answer_encode = traitlets.Dict().tag(sync=True)

    def __init__(self, subjects: _Subjects, title: str, still: torch.Tensor, alt: str, **state):
        """still: an image (1, height, width) for readers without a kernel; alt says what it shows."""
        self._models, self._still, self._alt = list(subjects.models.values()), still, alt
        self.add_traits(**{name: Number().tag(sync=True) for name in state.get("singles", [])})
        super().__init__(
            title=f"{title}: {', '.join(subjects.models)}",
            names=list(subjects.models),
            latent_dim=[mu.shape[1] for mu in subjects.mu],
            variational=[logvar is not None for logvar in subjects.logvar],
            digits=subjects.digits,
            codes=[mu.numpy().tobytes() for mu in subjects.mu],
            decoders=subjects.networks("decoder"),
            **state,
        )
        if self.singles:
            self._bind(next(name for name, trait in self.traits().items() if isinstance(trait, Numbers)))

    def _bind(self, name: str) -> None:
        """Keep a list of numbers and the single ones, which sliders can be linked to, the same."""

        place = {single: i for i, single in enumerate(self.singles)}

        def to_singles(change=None):
            for single, value in zip(self.singles, getattr(self, name), strict=True):
                setattr(self, single, value)

        def to_list(change):
            values, i = getattr(self, name), place[change["name"]]
            if values[i] != change["new"]:
                values[i] = change["new"]
                setattr(self, name, values)

        to_singles()
        self.observe(to_singles, name)
        self.observe(to_list, list(self.singles))

    def notify_change(self, change):
        with self.hold_sync():  # a list and its numbers leave in one message: neither is news to the other
            super().notify_change(change)

    @traitlets.observe("ask_decode", "ask_encode")
    def _answer(self, change) -> None:
        """Compute what the browser can't; an error goes into the instrument as well as into the log."""
        question, result = dict(change["new"]), {}
        try:
            if change["name"] == "ask_decode":
                pairs = zip(question["models"], question["codes"], strict=True)
                images = [_decoded(self._models[k], torch.tensor([z], dtype=torch.float32)) for k, z in pairs]
                result["images"] = torch.cat(images).numpy().tobytes()
            else:
                image = torch.tensor([question["image"]], dtype=torch.uint8).view(1, *self.digits.shape)
                codes = [_encoded(model, image) for model in self._models]
                result["codes"] = [
                    {"mu": mu[0].tolist(), "logvar": None if logvar is None else logvar[0].tolist()}
                    for mu, logvar in codes
                ]
        except Exception as error:
            result["error"] = f"The kernel couldn't compute this: {error}"
            raise
        finally:
            setattr(self, change["name"].replace("ask", "answer"), {"id": question["id"], **result})

    def _repr_mimebundle_(self, **keywords):
        closed = self.comm is None
        data, metadata = ({}, {}) if closed else super()._repr_mimebundle_(**keywords)
        data["image/png"] = base64.b64encode(to_png(self._still, scale=2)).decode()
        data["text/plain"] = self._alt
        return data, {**(metadata or {}), "image/png": {"alt": self._alt}}

    def _offered(self, proposal):
        """Refuse the number of an image that isn't offered."""
        if not 0 <= proposal["value"] < len(self.digits.labels):
            raise traitlets.TraitError(
                f"{proposal['trait'].name} must be 0 to {len(self.digits.labels) - 1}, the images offered, "
                f"not {proposal['value']}"
            )
        return proposal["value"]


class LatentSliders(Instrument):
    """`latent_sliders` says what it is."""

    z = Numbers().tag(sync=True)
    start = traitlets.List().tag(sync=True)
    order = traitlets.List().tag(sync=True)
    use = traitlets.List().tag(sync=True)  # what each axis carries, in words
    random = traitlets.Unicode().tag(sync=True)  # what the button for random draws says
    mean = traitlets.List().tag(sync=True)  # draws are mean + factor @ noise
    factor = traitlets.Bytes().tag(sync=True)


class Pad(Instrument):
    """`pad` says what it is."""

    z = Numbers().tag(sync=True)
    start = traitlets.List().tag(sync=True)


class Morph(Instrument):
    """`morph` says what it is."""

    t = Number(0.5).tag(sync=True)
    start = traitlets.Int().tag(sync=True)
    end = traitlets.Int().tag(sync=True)
    _inside = traitlets.validate("start", "end")(Instrument._offered)


class AttributeBoard(Instrument):
    """`attribute_board` says what it is."""

    strengths = Numbers().tag(sync=True)
    digit = traitlets.Int().tag(sync=True)
    _inside = traitlets.validate("digit")(Instrument._offered)
    vectors = traitlets.List().tag(sync=True)  # float32 (attributes, latent_dim), for each model


class Draw(Instrument):
    """`draw` says what it is."""

    image = traitlets.Bytes().tag(sync=True, from_json=lambda value, widget: bytes(value))
    placed = traitlets.Dict().tag(sync=True)
    digit = traitlets.Int().tag(sync=True)  # the one that was taken last
    _inside = traitlets.validate("digit")(Instrument._offered)

    @traitlets.validate("image")
    def _sized(self, proposal):
        if len(proposal["value"]) != math.prod(self.digits.shape):
            raise traitlets.TraitError(f"image must have {math.prod(self.digits.shape)} bytes, one a pixel")
        return proposal["value"]


Models = nn.Module | Mapping[str, nn.Module]
Wanted = int | torch.Tensor | None  # an image of the data, or its number


def latent_sliders(
    model: nn.Module,
    data: ImageSet | None = None,
    *,
    dimensions: Sequence[int] | None = None,
    start: torch.Tensor | None = None,
) -> LatentSliders:
    """A slider for each latent dimension, the most used one first, beside the image decoded there.

    Python reads, sets and observes the code `z`, and its single numbers z1, z2, …, which jslink takes.
    `start` (latent_dim,): where the sliders begin; otherwise at the median code. `dimensions`, counted from
    0: those that get a slider. The random draws are the prior's; an autoencoder, which has none, draws from a
    Gaussian fitted to its codes. Used in notebooks 01, 02 and 04.
    """
    subjects = _Subjects(model, data)
    model, mu, logvar = subjects.only("latent_sliders"), subjects.mu[0], subjects.logvar[0]
    size, begin = mu.shape[1], subjects.begin(start)
    order = rank_dimensions(mu, logvar).tolist()
    if dimensions is not None:
        order = [int(i) for i in dimensions]
        if not order or min(order) < 0 or max(order) >= size:
            raise ValueError(f"dimensions must lie between 0 and {size - 1}, not {list(dimensions)}")
    low, high = subjects.ends(0)
    if logvar is None:
        use = [f"sd {value:.2g}" for value in mu.std(dim=0, correction=0)]
        mean, factor = mu.mean(dim=0), _root(mu.T.double().cov(correction=0).view(size, size))
    else:
        use = [f"KL {value:.1f}" for value in kl_per_dimension(mu, logvar).mean(dim=0)]
        mean, factor = torch.zeros(size), torch.eye(size)
    values = [torch.linspace(low[i], high[i], 9) for i in order[:6]]
    rows = [_decoded(model, traversal(begin, i, v)) for i, v in zip(order, values, strict=False)]
    return LatentSliders(
        subjects,
        "Latent sliders",
        _tiled(rows),
        f"Rows of nine decoded images, one row for each of the {len(rows)} most used latent dimensions of "
        f"{subjects.names}: along a row, that coordinate alone grows from its least to its largest value.",
        kind="sliders",
        singles=[f"z{i + 1}" for i in range(size)],
        z=begin.tolist(),
        start=begin.tolist(),
        order=order,
        use=use,
        low=[torch.tensor(low).minimum(begin).tolist()],
        high=[torch.tensor(high).maximum(begin).tolist()],
        random="Random draw from the prior" if logvar is not None else "Random draw from a fitted Gaussian",
        mean=mean.tolist(),
        factor=factor.float().numpy().tobytes(),
    )


def pad(model: nn.Module, data: ImageSet | None = None, *, start: Sequence[float] | None = None) -> Pad:
    """The map of a latent space of two dimensions: real digits, and a point to drag that is decoded.

    `z`, z1 and z2 as for `latent_sliders`; `start`: where the point begins. Used in notebooks 01, 02 and 04.
    """
    subjects = _Subjects(model, data)
    model = subjects.only("pad")
    if subjects.mu[0].shape[1] != 2:
        raise ValueError(
            f"the pad is a map of 2 latent dimensions, and this model has {subjects.mu[0].shape[1]}: "
            "use latent_sliders"
        )
    begin = subjects.begin(start).tolist()
    low, high = subjects.ends(0)
    plane = _decoded(model, grid(low, high, 7))
    return Pad(
        subjects,
        "Pad",
        _tiled(plane.split(7)),
        f"Seven by seven images that the {subjects.names} decodes on a grid over its two latent dimensions.",
        kind="pad",
        singles=["z1", "z2"],
        z=begin,
        start=begin,
        low=[low],
        high=[high],
    )


def morph(models: Models, data: ImageSet | None = None, *, start: Wanted = None, end: Wanted = None) -> Morph:
    """A slider, `t`, from one image to another: each model's straight path, and the pixel blend beside it.

    start, end: images of the data, or their numbers, counted from 0; otherwise a 3 and an 8. The reader picks
    others in the instrument. Python reads, sets and observes `t`, and `start` and `end`, which count the
    images offered. Used in notebook 05.
    """
    subjects = _Subjects(models, data, [start, end])
    start, end = subjects.positions
    if start is None:
        start = subjects.first(3, 0)
    if end is None:
        end = subjects.first(8, 1)
    x = to_float(subjects.images)
    rows = [_decoded(m, lerp(mu[start], mu[end], 9)) for m, mu in subjects.pairs()]
    rows.append(lerp(x[start].flatten(), x[end].flatten(), 9).view(-1, *x.shape[1:]))
    return Morph(
        subjects,
        "Morph",
        _tiled(rows),
        f"Rows of nine images on the way from one digit to another: {subjects.names}; last the pixel blend.",
        kind="morph",
        start=start,
        end=end,
    )


def attribute_board(
    models: Models,
    data: ImageSet | None = None,
    *,
    vectors: Mapping[str, torch.Tensor] | Mapping[str, Mapping[str, torch.Tensor]] | None = None,
    digit: Wanted = None,
) -> AttributeBoard:
    """A slider for each attribute's vector, and a digit with all of them added to its code.

    vectors: by attribute, (latent_dim,) each; for several models, such a dictionary for each name. Otherwise
    thickness, slant and width, measured on the images offered. digit: an image of the data, or its number.
    Python reads, sets and observes `strengths`, from -1 to 1, and each under its attribute's name. Used in
    notebook 05.
    """
    subjects = _Subjects(models, data, [digit])
    vectors = subjects.vectors() if vectors is None else vectors
    if not vectors:
        raise ValueError("the board needs a vector, or more")
    if not isinstance(models, Mapping) and not isinstance(next(iter(vectors.values())), Mapping):
        vectors = {subjects.names: vectors}
    vectors = {
        str(name): {word: torch.as_tensor(vector).detach().float().cpu() for word, vector in of_model.items()}
        for name, of_model in vectors.items()
    }
    if missing := subjects.models.keys() - vectors.keys():
        raise ValueError(f"there are no vectors for {', '.join(sorted(missing))}")
    names = list(vectors[next(iter(subjects.models))])
    for (name, _), mu in zip(subjects.models.items(), subjects.mu, strict=True):
        if list(vectors[name]) != names:
            raise ValueError(
                f"all models need the same attributes, in one order; {name} has {list(vectors[name])}"
            )
        for attribute, vector in vectors[name].items():
            if vector.shape != mu.shape[1:] or not vector.isfinite().all():
                raise ValueError(
                    f"the vector of {attribute} must be finite and have the shape {tuple(mu.shape[1:])}, "
                    f"not {tuple(vector.shape)}"
                )
    if unusable := [n for n in names if not n.isidentifier() or n[0] == "_" or hasattr(AttributeBoard, n)]:
        raise ValueError(
            f"{', '.join(unusable)} can't be an attribute's name here: choose a single, other word"
        )
    added = {name: torch.stack([*vectors[name].values()]) for name in subjects.models}
    position = subjects.positions[0] if digit is not None else subjects.first(3, 0)
    name, (model, mu) = next(iter(subjects.models)), next(subjects.pairs())
    strengths = torch.linspace(-1, 1, 9)[:, None]
    return AttributeBoard(
        subjects,
        "Attribute board",
        _tiled([_decoded(model, mu[position] + strengths * vector) for vector in added[name]]),
        f"Rows of nine images, one row for each of {', '.join(names)}: {name} decodes a digit's code with "
        "more and more of that vector added.",
        kind="board",
        singles=names,
        strengths=[0.0] * len(names),
        digit=position,
        vectors=[vector.numpy().tobytes() for vector in added.values()],
    )


def draw(models: Models, data: ImageSet | None = None, *, digit: int | torch.Tensor = 0) -> Draw:
    """A sheet to draw a digit on: where each model places it, mu and sigma, samples of z, reconstructions.

    The drawing is normalized as MNIST was. It begins with `digit`, an image of the data, or its number; the
    reader can take others. Python reads, sets and observes `image` (height × width bytes), and reads
    `placed`: mu and logvar by name. Used in notebook 02.
    """
    subjects = _Subjects(models, data, [digit])
    if subjects.images.shape[1] != 1:
        raise ValueError(f"a drawing has one channel, and these images have {subjects.images.shape[1]}")
    (position,) = subjects.positions
    image = subjects.images[position]
    rows = [to_float(image)[None]] + [_decoded(m, mu[position, None]) for m, mu in subjects.pairs()]
    ends = [subjects.ends(k) for k in range(len(rows) - 1)]
    return Draw(
        subjects,
        "Draw a digit",
        _tiled([torch.cat(rows)]),
        f"A digit, and beside it what {subjects.names} reconstruct of it.",
        kind="draw",
        digit=position,
        encoders=subjects.networks("encoder", level=3),
        image=image.contiguous().numpy().tobytes(),
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
    )


def measured(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Thickness, slant and width of images (n, 1, height, width), each (n,). Used by `attribute_board`.

    Measuring 500 takes a second: so the values of MNIST's first 500 test images are stored.
    """
    known = json.loads(shipped("results/attributes.json").read_text("utf-8"))
    if hashlib.sha256(images.numpy().tobytes()).hexdigest() == known["sha256"]:
        return {name: torch.tensor(known[name]) for name in ATTRIBUTES}
    return {name: getattr(attributes, name)(images) for name in ATTRIBUTES}


def attribute_vectors(mu: torch.Tensor, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The vector (latent_dim,) of each attribute, from codes mu (n, latent_dim) and its values (n,)."""
    keep = ~torch.stack([*values.values()]).isnan().any(dim=0)
    return {name: attribute_vector(mu[keep], value[keep]) for name, value in values.items()}


class _Subjects:
    """The models that an instrument is about, and the images that it offers: checked, and encoded."""

    def __init__(self, models: Models, data: ImageSet | None, wanted: Sequence[Wanted] = ()):
        named = isinstance(models, Mapping)
        several = {str(name): model for name, model in models.items()} if named else {"model": models}
        if not several:
            raise ValueError("an instrument needs a model, or a dictionary of models by name")
        for name, model in several.items():
            _check(name, model)
        if data is None:
            data = load("mnist", "test")
        if not isinstance(data, ImageSet) or not len(data.images) or data.images.dtype != torch.uint8:
            raise ValueError(
                "data must be an ImageSet of uint8 images, such as datasets.load('mnist', 'test')"
            )
        rows, self.positions = list(range(min(POOL, len(data.images)))), []
        for one in wanted:
            row = None if one is None else _row(data, one)
            if row is not None and row not in rows:
                rows.append(row)
            self.positions.append(None if row is None else rows.index(row))
        self.images, self.labels = data.images[rows].cpu(), data.labels[rows].tolist()
        self.mu, self.logvar = [], []
        for name, model in several.items():
            mu, logvar = self._codes(name, model)
            self.mu.append(mu)
            self.logvar.append(logvar)
        if not named:
            several = {"AE" if self.logvar[0] is None else "VAE": models}
        self.models, self.names = several, " and ".join(several)
        content, shape = self.images.numpy().tobytes(), list(self.images.shape[1:])
        self.digits = Digits.of(
            content,
            shape,
            self.labels,
            make=lambda: {"images": zlib.compress(content), "shape": shape, "labels": self.labels},
        )

    def _codes(self, name: str, model: nn.Module):
        """The images' codes; a model that can't go from an image to a code and back is refused here."""
        shape = tuple(self.images.shape[1:])
        try:
            mu, logvar = _encoded(model, self.images)
        except Exception as error:  # it is the reader's code that runs here
            raise ValueError(
                f"{name}, with weights in {export.like(model, torch.empty(0)).dtype}, can't encode images of "
                f"shape {shape}: is this the data that it was trained on? ({error})"
            ) from error
        if mu.ndim != 2 or (logvar is not None and logvar.shape != mu.shape):
            raise ValueError(f"{name} must encode to codes (n, latent_dim), not {tuple(mu.shape)}")
        if not mu.isfinite().all() or (logvar is not None and not logvar.isfinite().all()):
            raise ValueError(f"{name} encodes some images to codes that aren't finite: train it again")
        try:
            decoded = _decoded(model, mu[:1])
        except Exception as error:
            raise ValueError(
                f"{name} can't decode its own codes of {mu.shape[1]} numbers: the encoder's latent size must "
                f"be the decoder's ({error})"
            ) from error
        if tuple(decoded.shape[1:]) != shape:
            raise ValueError(f"{name} decodes to {tuple(decoded.shape[1:])}, and the images are {shape}")
        if not decoded.isfinite().all():
            raise ValueError(f"{name} decodes to images that aren't finite: train it again")
        return mu, logvar

    def only(self, instrument: str) -> nn.Module:
        """The model, for instruments that take one."""
        if len(self.models) > 1:
            raise ValueError(f"{instrument} takes one model, not {len(self.models)}: make one for each")
        return next(iter(self.models.values()))

    def begin(self, start: Sequence[float] | torch.Tensor | None) -> torch.Tensor:
        """Where a code begins: at the start that is asked for, or at the median of all codes."""
        if start is None:
            return self.mu[0].median(dim=0).values
        code, shape = torch.as_tensor(start).detach().float().cpu(), self.mu[0].shape[1:]
        if code.shape != shape or not code.isfinite().all():
            raise ValueError(
                f"start must be finite and have the shape {tuple(shape)}, not {tuple(code.shape)}"
            )
        return code

    def pairs(self):
        """Each model with its codes."""
        return zip(self.models.values(), self.mu, strict=True)

    def networks(self, part: str, level: int = 5) -> list[Network]:
        """The decoders or encoders, as the browser gets them; level: how many calls up the reader is."""
        x = self.images[:8]
        made = []
        for (name, model), mu in zip(self.models.items(), self.mu, strict=True):
            try:
                layers, weights = getattr(export, part)(model, mu[:8] if part == "decoder" else to_float(x))
            except export.UnknownLayer as error:
                layers, weights = [], b""
                if part not in _said.setdefault(model, set()):
                    _said[model].add(part)
                    warnings.warn(f"the kernel computes the {part} of {name}: {error}", stacklevel=level)
            made.append(Network.of(weights, layers, make=partial(dict, layers=layers, weights=weights)))
        return made

    def ends(self, k: int) -> tuple[list[float], list[float]]:
        """Where the axes of a model's space end: at most of its codes, and at 3 of a VAE's prior."""
        low, high = self.mu[k].quantile(torch.tensor([0.005, 0.995]), dim=0)
        if self.logvar[k] is not None:
            low, high = low.clamp(max=-3), high.clamp(min=3)
        flat = high - low < 1e-6  # an axis that carries nothing still needs a length
        return (low - flat.float()).tolist(), (high + flat.float()).tolist()

    def first(self, label: int, otherwise: int) -> int:
        """The first image with a label, or another."""
        return self.labels.index(label) if label in self.labels else min(otherwise, len(self.labels) - 1)

    def vectors(self) -> dict[str, dict[str, torch.Tensor]]:
        """Each model's vectors for thickness, slant and width, from the images offered."""
        values = measured(self.images[:POOL])
        return {
            name: attribute_vectors(mu[:POOL], values) for name, mu in zip(self.models, self.mu, strict=True)
        }


_said: weakref.WeakKeyDictionary[nn.Module, set[str]] = weakref.WeakKeyDictionary()


def _row(data: ImageSet, one: int | torch.Tensor) -> int:
    """Which image of the data is meant: by its number, or the image itself."""
    if isinstance(one, torch.Tensor) and one.ndim:
        if one.shape != data.images.shape[1:]:
            raise ValueError(f"an image must be {tuple(data.images.shape[1:])}, not {tuple(one.shape)}")
        same = (to_float(data.images) == to_float(one).to(data.images.device)).flatten(1).all(dim=1).nonzero()
        if not len(same):
            raise ValueError("that image is not in the data: give the data that it comes from")
        return int(same[0])
    if not 0 <= one < len(data.images):
        raise ValueError(f"there is no image {one}: the data has {len(data.images)}, counted from 0")
    return int(one)


def _check(name: str, model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"{name} must be a torch.nn.Module, not {type(model).__name__}")
    for word in ("encode", "decode"):
        if not callable(getattr(model, word, None)):
            raise ValueError(
                f"{name} ({type(model).__name__}) has no {word}r: the instruments call model.{word}"
            )
    for key, value in model.named_parameters():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(
                f"the weights of {name} are not all finite ({key}): its training has diverged; "
                "train it again, with a lower learning rate"
            )


def _encoded(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """mu and logvar of images (n, channels, height, width), float32 on the CPU; an AE's code, and None."""
    with evaluating(model):
        mu, logvar = posterior(model, export.like(model, to_float(images)))
    return mu.float().cpu(), None if logvar is None else logvar.float().cpu()


def _decoded(model: nn.Module, codes: torch.Tensor) -> torch.Tensor:
    """The images, float32 on the CPU, of codes (n, latent_dim)."""
    with evaluating(model):
        return model.decode(export.like(model, codes).clone()).float().cpu()  # a layer may work in place


def _tiled(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """Rows of images (n, channels, height, width) as one image (channels, rows · height, n · width)."""
    return torch.cat([torch.cat([*row], dim=2) for row in rows], dim=1).clamp(0, 1)


def _root(covariance: torch.Tensor) -> torch.Tensor:
    """A matrix whose product with its own transpose is the covariance, of whatever rank."""
    values, vectors = torch.linalg.eigh(covariance.double())
    return (vectors * values.clamp(min=0).sqrt()).float()
