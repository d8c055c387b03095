"""The widgets: what the front end reads of an instrument, and what Python may read, set and observe."""

from __future__ import annotations

import base64
import math
import re
import weakref
import zlib
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from ipywidgets import widget_serialization

from ..plots import CLASS_COLOURS, to_png
from .adapter import Subjects, decoded, encoded

FOLDER = Path(__file__).with_name("front")
# In the order in which they are joined
FRONT = ("networks.js", "controls.js", "state.js", "training.js", "keeping.js", "instruments.js")
WIDTH = 560  # pixels that a still picture is wide, or a little more or less


def front_end() -> str:
    """Join the front end's files into the one ES module that notebooks and the page run.

    Returns
    -------
    str
        JavaScript; its default export is an anywidget. Each instrument carries it, so what is said of types
        stays behind.
    """
    whole = "\n".join((FOLDER / name).read_text("utf-8") for name in FRONT)
    return re.sub(r"^ */\*\*(?:(?!\*/).)*\*/\n", "", whole, flags=re.M | re.S)


def synced(trait: Any, **keywords: Any) -> Any:
    """A trait that Python and the browser share."""
    return trait.tag(sync=True, **keywords)


class Shared(anywidget.AnyWidget):
    """Something that several instruments use: sent to the browser once, and closed with the last of them."""

    _esm = "export default {};"
    _sent: weakref.WeakValueDictionary[tuple, Shared] = weakref.WeakValueDictionary()

    @classmethod
    def of(cls, user: Instrument, **state: Any) -> Shared:
        """The one with this state, made now unless an instrument has it; the user keeps it open."""
        key = (cls, *(value if isinstance(value, bytes) else repr(value) for value in state.values()))
        made = cls._sent.get(key)
        if made is None or made.comm is None:  # none yet, or closed since
            made = cls._sent[key] = cls(**state)
            made.users = weakref.WeakSet()
        made.users.add(user)
        return made

    def release(self, user: Instrument) -> None:
        """Close it, so that its memory comes free, if nobody else uses it."""
        self.users.discard(user)
        if not self.users:
            self.close()


class Images(Shared):
    """The images offered, uint8 (n, channels, height, width) and deflated, with their labels."""

    images = synced(traitlets.Bytes())
    shape = synced(traitlets.List())
    labels = synced(traitlets.List())
    classes = synced(traitlets.List())  # the names of the labels 0, 1, …, if the data has some
    colours = synced(traitlets.List(CLASS_COLOURS))


class Network(Shared):
    """An encoder or a decoder, as `export` describes it. Without layers, the kernel computes it."""

    layers = synced(traitlets.List())
    weights = synced(traitlets.Bytes())


class Number(traitlets.CFloat):
    """A finite number."""

    def validate(self, obj, value):
        value = super().validate(obj, value)
        if not math.isfinite(value):
            raise traitlets.TraitError(f"{self.name or 'a coordinate'} must be finite, not {value}")
        return value


class Numbers(traitlets.List):
    """As many finite numbers as it had first; a tensor or an array will do."""

    def validate(self, obj, value):
        value = super().validate(obj, list(value) if hasattr(value, "__iter__") else value)
        before = obj._trait_values.get(self.name)
        if before and len(value) != len(before):
            raise traitlets.TraitError(f"{self.name} must have {len(before)} numbers, not {len(value)}")
        return value

    def get(self, obj, cls=None):
        return list(super().get(obj, cls) or [])  # a copy: what is changed in place goes unnoticed


class Offered(traitlets.Int):
    """The number of one of the images offered."""

    def validate(self, obj, value):
        value, count = super().validate(obj, value), len(obj.digits.labels)
        if not 0 <= value < count:
            raise traitlets.TraitError(f"{self.name} must be 0 to {count - 1}, one of the images offered")
        return value


class Instrument(anywidget.AnyWidget):
    """What all instruments have. Their state says everything that the front end needs, here and on the page.

    Parameters
    ----------
    subjects : Subjects
        The models and the images.
    title : str
        What the instrument is called; the models' names are added.
    still : sequence of torch.Tensor
        Rows of images (n, channels, height, width): the picture for readers without a kernel.
    alt : str
        What that picture shows.
    **state
        The traits of this kind of instrument.
    """

    _esm = front_end()
    _css = (FOLDER / "style.css").read_text("utf-8")
    _ipython_display_ = None  # ipywidgets 7 has one, which would leave out the still picture

    kind = synced(traitlets.Unicode())
    title = synced(traitlets.Unicode())
    names = synced(traitlets.List())
    latent_dim = synced(traitlets.List())
    variational = synced(traitlets.List())
    digits = synced(traitlets.Instance(Images), **widget_serialization)
    codes = synced(traitlets.List())  # of the images, float32 (n, latent_dim), for each model
    low = synced(traitlets.List())  # the axes' ends, for each model
    high = synced(traitlets.List())
    decoders = synced(traitlets.List(), **widget_serialization)
    encoders = synced(traitlets.List(), **widget_serialization)
    singles = synced(traitlets.List())  # names of the numbers that stand for a list's elements
    ask_decode = synced(traitlets.Dict())  # what the browser can't compute, and what the kernel says
    answer_decode = synced(traitlets.Dict())
    ask_encode = synced(traitlets.Dict())
    answer_encode = synced(traitlets.Dict())

    def __init__(self, subjects: Subjects, title: str, still: list[torch.Tensor], alt: str, **state: Any):
        rows = [torch.cat([*row], dim=2) for row in still]
        self._models, self._still, self._alt = [*subjects.models.values()], torch.cat(rows, dim=1), alt
        self.add_traits(**{name: synced(Number()) for name in state.get("singles", [])})
        images, shape = zlib.compress(subjects.images.numpy().tobytes()), list(subjects.images.shape[1:])
        encoders = subjects.layers("encoder") if self.kind == "draw" else []
        decoders = subjects.layers("decoder") if self.kind != "trainer" else []
        super().__init__(
            title=f"{title}: {', '.join(subjects.models)}",
            names=[*subjects.models],
            latent_dim=[mu.shape[1] for mu in subjects.mu],
            variational=[logvar is not None for logvar in subjects.logvar],
            digits=Images.of(
                self, images=images, shape=shape, labels=subjects.labels, classes=subjects.classes
            ),
            codes=[mu.numpy().tobytes() for mu in subjects.mu],
            low=[low.tolist() for low in subjects.low],
            high=[high.tolist() for high in subjects.high],
            decoders=[Network.of(self, layers=a, weights=b) for a, b in decoders],
            encoders=[Network.of(self, layers=a, weights=b) for a, b in encoders],
            **state,
        )
        if self.singles:
            self._bind(next(name for name, trait in self.traits().items() if isinstance(trait, Numbers)))

    def _bind(self, name: str) -> None:
        """Keep a list of numbers and the single ones, which sliders can be linked to, the same."""

        def to_singles(change=None):
            for single, value in zip(self.singles, getattr(self, name), strict=True):
                setattr(self, single, value)

        def to_list(change):
            pairs = zip(self.singles, getattr(self, name), strict=True)
            setattr(self, name, [change["new"] if one == change["name"] else old for one, old in pairs])

        to_singles()
        self.observe(to_singles, name)
        self.observe(to_list, self.singles)

    def notify_change(self, change):
        with self.hold_sync():  # a list and its numbers leave in one message: neither is news to the other
            super().notify_change(change)

    def close(self):
        super().close()
        for part in filter(None, [self.digits, *self.decoders, *self.encoders]):
            part.release(self)

    @traitlets.observe("ask_decode", "ask_encode")
    def _answer(self, change: dict[str, Any]) -> None:
        """Compute what the browser can't; an error goes into the instrument as well as into the log."""
        question, answer = change["new"], {"id": change["new"]["id"]}
        try:
            if change["name"] == "ask_decode":
                pairs = zip(question["models"], question["codes"], strict=True)
                images = [decoded(self._models[k], torch.tensor([z], dtype=torch.float32)) for k, z in pairs]
                answer["images"] = torch.cat(images).numpy().tobytes()
            else:
                image = torch.tensor([question["image"]], dtype=torch.uint8).view(1, *self.digits.shape)
                codes = (encoded(model, image) for model in self._models)
                plain = [[part if part is None else part[0].tolist() for part in code] for code in codes]
                answer["codes"] = [{"mu": mu, "logvar": logvar} for mu, logvar in plain]
        except Exception as error:
            answer["error"] = f"The kernel couldn't compute this: {error}"
            raise
        finally:
            setattr(self, change["name"].replace("ask", "answer"), answer)

    def _repr_mimebundle_(self, **keywords):
        shown = None if self.comm is None else super()._repr_mimebundle_(**keywords)
        data, metadata = shown or ({}, {})
        still, about = self._still_bundle()
        return {**data, **still}, {**(metadata or {}), **about}

    def _still_bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The picture for readers without a kernel, as Jupyter takes it."""
        scale = round(WIDTH / self._still.shape[2]) or 1
        png = base64.b64encode(to_png(self._still, scale)).decode()
        return {"image/png": png, "text/plain": self._alt}, {"image/png": {"alt": self._alt}}


class LatentSliders(Instrument):
    """Widget returned by `latent_sliders`."""

    kind = synced(traitlets.Unicode("sliders"))
    z = synced(Numbers(Number()))
    start = synced(traitlets.List())
    order = synced(traitlets.List())
    use = synced(traitlets.List())  # what each axis carries, in words
    mean = synced(traitlets.List())  # draws are mean + factor @ noise
    factor = synced(traitlets.Bytes())


class StyleBoard(LatentSliders):
    """Widget returned by `style_board`. A code of its `codes` is z and, behind it, 1 for the class."""

    kind = synced(traitlets.Unicode("style"))
    label = synced(traitlets.Int())
    digit = synced(Offered())  # the one whose handwriting was taken last

    @traitlets.validate("label")
    def _a_class(self, proposal):
        count = self.latent_dim[0] - len(self.z)
        if not 0 <= proposal["value"] < count:
            raise traitlets.TraitError(f"label must be 0 to {count - 1}, one of the classes")
        return proposal["value"]


class Pad(Instrument):
    """Widget returned by `pad`."""

    kind = synced(traitlets.Unicode("pad"))
    z = synced(Numbers(Number()))
    start = synced(traitlets.List())


class Morph(Instrument):
    """Widget returned by `morph`."""

    kind = synced(traitlets.Unicode("morph"))
    t = synced(Number(0.5))
    start = synced(Offered())
    end = synced(Offered())


class AttributeBoard(Instrument):
    """Widget returned by `attribute_board`."""

    kind = synced(traitlets.Unicode("board"))
    strengths = synced(Numbers(Number()))
    digit = synced(Offered())
    vectors = synced(traitlets.List())  # float32 (attributes, latent_dim), for each model


class Draw(Instrument):
    """Widget returned by `draw`."""

    kind = synced(traitlets.Unicode("draw"))
    image = synced(traitlets.Bytes(), from_json=lambda value, widget: bytes(value))
    placed = synced(traitlets.Dict())
    digit = synced(Offered())  # the one that was taken last

    @traitlets.validate("image")
    def _sized(self, proposal):
        size = math.prod(self.digits.shape)
        if len(proposal["value"]) != size:
            raise traitlets.TraitError(f"image must have {size} bytes, one a pixel and channel")
        return proposal["value"]
