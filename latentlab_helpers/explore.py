"""Sliders over the latent space. Notebook 01 writes these lines out; later ones import them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets
import torch

from .metrics import embed
from .models import Autoencoder
from .plots import to_png


def latent_sliders(
    model: Autoencoder,
    codes: torch.Tensor,
    dimensions: Sequence[int] | None = None,
    start: torch.Tensor | None = None,
) -> widgets.HBox:
    """One slider for each latent dimension beside the image decoded there. Taught in notebooks 01 and 04.

    codes (n, latent_dim) of some images set the sliders' ranges (1 % to 99 %, and further if `start` lies
    there). They begin at `start` (latent_dim,), otherwise at the median. `dimensions`, counted from 0, are
    those that get a slider, in this order; the others stay where they begin. The box's `sliders` and
    `picture` are the widgets themselves. Raises ValueError if codes, start or dimensions aren't the model's.
    """
    size = model.latent_dim
    if codes.ndim != 2 or codes.shape[1] != size:
        raise ValueError(f"codes must have the shape (n, {size}), not {tuple(codes.shape)}")
    low, median, high = codes.detach().float().cpu().quantile(torch.tensor([0.01, 0.5, 0.99]), dim=0)
    begin = median if start is None else start.detach().float().cpu()
    if begin.shape != (size,):
        raise ValueError(f"start must have the shape ({size},), not {tuple(begin.shape)}")
    dimensions = list(range(size) if dimensions is None else dimensions)
    if not dimensions or min(dimensions) < 0 or max(dimensions) >= size:
        raise ValueError(f"dimensions must lie between 0 and {size - 1}, not {dimensions}")
    low, high = low.minimum(begin).tolist(), high.maximum(begin).tolist()
    sliders = [
        widgets.FloatSlider(
            min=low[i],
            max=high[i],
            value=begin[i].item(),
            step=(high[i] - low[i]) / 100,
            description=f"z{i + 1}",
        )
        for i in dimensions
    ]
    picture = widgets.Image(format="png", width=224, height=224)

    def draw(change=None):
        z = begin.clone()
        z[dimensions] = torch.tensor([slider.value for slider in sliders])
        picture.value = to_png(model.decode(z[None])[0])

    for slider in sliders:
        slider.observe(draw, "value")
    draw()
    box = widgets.HBox([widgets.VBox(sliders), picture])
    box.sliders, box.picture = sliders, picture
    return box


def morph_slider(models: Mapping[str, Autoencoder], start: torch.Tensor, end: torch.Tensor) -> widgets.VBox:
    """One slider, t, from one image to another: each model's straight path, and the pixel blend beside it.

    start, end: images (channels, height, width) in [0, 1]. Taught in notebook 05. The box's `slider` and
    `pictures`, by name, are the widgets themselves. Raises ValueError for images of other shapes.
    """
    _check_image(start)
    if start.shape != end.shape:
        raise ValueError(f"both images need one shape, not {tuple(start.shape)} and {tuple(end.shape)}")
    codes = {name: embed(model, torch.stack([start, end])) for name, model in models.items()}
    slider = widgets.FloatSlider(min=0, max=1, value=0.5, step=0.05, description="t")
    pictures = {name: widgets.Image(format="png", width=168, height=168) for name in (*models, "pixel blend")}

    def draw(change=None):
        t = slider.value
        for name, model in models.items():
            z = (1 - t) * codes[name][:1] + t * codes[name][1:]
            pictures[name].value = to_png(model.decode(z)[0])
        pictures["pixel blend"].value = to_png((1 - t) * start + t * end)

    slider.observe(draw, "value")
    draw()
    shown = [widgets.VBox([widgets.Label(name), picture]) for name, picture in pictures.items()]
    box = widgets.VBox([slider, widgets.HBox(shown)])
    box.slider, box.pictures = slider, pictures
    return box


def attribute_sliders(
    model: Autoencoder, image: torch.Tensor, vectors: Mapping[str, torch.Tensor]
) -> widgets.HBox:
    """A slider for each attribute's vector, (latent_dim,), and the image with all of them added to its code.

    image: (channels, height, width) in [0, 1]; a slider is the strength, from -1 to 1. Taught in notebook 05.
    The box's `sliders`, by name, and `picture` are the widgets themselves. Raises ValueError for an image
    of another shape, or vectors that aren't the model's.
    """
    _check_image(image)
    for name, vector in vectors.items():
        if vector.shape != (model.latent_dim,):
            raise ValueError(
                f"the vector of {name} must have the shape ({model.latent_dim},), not {tuple(vector.shape)}"
            )
    code = embed(model, image[None])
    sliders = {
        name: widgets.FloatSlider(min=-1, max=1, value=0, step=0.1, description=name) for name in vectors
    }
    picture = widgets.Image(format="png", width=224, height=224)

    def draw(change=None):
        z = code + sum(slider.value * vectors[name] for name, slider in sliders.items())
        picture.value = to_png(model.decode(z)[0])

    for slider in sliders.values():
        slider.observe(draw, "value")
    draw()
    box = widgets.HBox([widgets.VBox(list(sliders.values())), picture])
    box.sliders, box.picture = sliders, picture
    return box


def _check_image(image: torch.Tensor) -> None:
    if image.ndim != 3:
        raise ValueError(
            f"an image must be (channels, height, width), not {tuple(image.shape)}; of a batch, take one"
        )
