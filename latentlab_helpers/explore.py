"""Sliders over the latent space. Notebook 01 writes these lines out; later ones import them."""

from __future__ import annotations

import ipywidgets as widgets
import torch

from .models import Autoencoder
from .plots import to_png


def latent_sliders(model: Autoencoder, codes: torch.Tensor) -> widgets.HBox:
    """One slider for each latent dimension beside the image decoded there. Taught in notebook 01.

    codes (n, latent_dim) of some images set the sliders' ranges (1 % to 99 %) and where they start,
    the median. The box's `sliders` and `picture` are the widgets themselves.
    Raises ValueError if the codes aren't the model's.
    """
    if codes.ndim != 2 or codes.shape[1] != model.latent_dim:
        raise ValueError(f"codes must have the shape (n, {model.latent_dim}), not {tuple(codes.shape)}")
    low, start, high = codes.detach().float().quantile(torch.tensor([0.01, 0.5, 0.99]), dim=0).tolist()
    sliders = [
        widgets.FloatSlider(
            min=low[i], max=high[i], value=start[i], step=(high[i] - low[i]) / 100, description=f"z{i + 1}"
        )
        for i in range(model.latent_dim)
    ]
    picture = widgets.Image(format="png", width=224, height=224)

    def draw(change=None):
        z = torch.tensor([[slider.value for slider in sliders]])
        picture.value = to_png(model.decode(z)[0])

    for slider in sliders:
        slider.observe(draw, "value")
    draw()
    box = widgets.HBox([widgets.VBox(sliders), picture])
    box.sliders, box.picture = sliders, picture
    return box
