"""The instruments: sliders, pad, morph, boards, drawing and trainer, on any model that encodes and decodes.

Each is an ipywidgets widget, and one call makes it (`factories`). The models are one model or, where several
are compared, a dictionary of them by name; the data is an `ImageSet` of any classes and channels, by default
MNIST's test set, of which the first 500 images are offered. `adapter` asks the models for all that an
instrument needs, and refuses those that can't give it; `export` describes their networks to the browser,
where the front end (`front/`) encodes and decodes by itself; the kernel is asked only for a network that the
browser doesn't know. `widgets` holds the state that Python and the browser share; `live` shows a training
while it runs.
"""

from .adapter import POOL
from .factories import attribute_board, attribute_vectors, draw, latent_sliders, morph, pad, style_board
from .live import Trainer, trainer
from .widgets import AttributeBoard, Draw, Instrument, LatentSliders, Morph, Pad, StyleBoard, front_end

__all__ = [
    "POOL", "AttributeBoard", "Draw", "Instrument", "LatentSliders", "Morph", "Pad", "StyleBoard",
    "Trainer", "attribute_board", "attribute_vectors", "draw", "front_end", "latent_sliders", "morph", "pad",
    "style_board", "trainer",
]  # fmt: skip
