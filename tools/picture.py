"""The README's picture: the map of the two-dimensional VAE, and what it decodes to."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from latentlab_helpers import checkpoints, datasets, latent, metrics, plots

PICTURE = Path(__file__).resolve().parent.parent / "results" / "pictures" / "latent_space.png"


def draw() -> plots.Figure:
    model, test = checkpoints.load("vae_mlp_2"), datasets.load("mnist", "test")
    # Measured in the prior's probability on both axes, so that the two halves show the same places.
    places = torch.special.ndtr(metrics.embed(model, test.images[:6000]))
    fig = plots.Figure(figsize=(9.6, 4.6), layout="constrained")
    left, right = fig.subplots(1, 2)
    for digit in range(10):
        mine = (test.labels[:6000] == digit).nonzero().squeeze(1)
        left.scatter(*places[mine].numpy().T, s=4, color=plots.DIGITS[digit], linewidths=0, alpha=0.6)
        middle = places[mine].median(dim=0).values
        typical = mine[(places[mine] - middle).norm(dim=1).argmin()]
        box = OffsetImage(test.images[typical, 0].numpy(), zoom=0.8, cmap="gray")
        frame = {"edgecolor": plots.DIGITS[digit], "linewidth": 2}
        left.add_artist(AnnotationBbox(box, middle.tolist(), pad=0, bboxprops=frame))
    left.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[], yticks=[], aspect="equal")
    left.set_title("where a VAE puts 6,000 test digits …")
    n = 18
    with torch.no_grad():
        images = model.decode(latent.prior_grid(n))
    right.imshow(plots.tiled(images, n), cmap="gray")
    right.set(xticks=[], yticks=[])
    right.set_title("… and what it draws at each place")
    return fig


def save() -> None:
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(draw().png())
