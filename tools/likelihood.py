"""Train a VAE on binarized MNIST and measure log p(x), as in Table 1 of the IWAE paper.

    python course.py likelihood [SAMPLES]     a quarter of an hour of training, then the measurement

The protocol is Burda, Grosse and Salakhutdinov's (arXiv:1509.00519), who report 86.76 nats for their VAE: in
training each image is binarized anew every time it is seen, each pixel white with the probability of its
grey; the test set is binarized once. They draw 5000 importance samples an image; here it is 1000, unless
you say otherwise, because what is measured is a lower bound that rises with their number: more samples make
the result better, and take five times as long. Five hundred images are measured with 5000 as well. The model,
the loss and the loop are the course's own. The weights go to data/checkpoints, with the result in their
header.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from latentlab_helpers import checkpoints, datasets, devices, losses, metrics, models, training
from latentlab_helpers.objectives import binarized
from tools.quote import quote
from tools.weights import round_as_stored, versions

PAGE = Path(__file__).resolve().parent.parent / "docs" / "speed.md"
PAPER = -86.76  # nats, arXiv:1509.00519, Table 1: VAE, one stochastic layer, k = 1
NAME, SEED, SAMPLES = "vae_conv_50_binarized", 0, 1000
CONFIG = {"latent_dim": 50, "architecture": "conv", "widths": (32, 64), "hidden": 256}
RECIPE = {"epochs": 60, "batch_size": training.BATCH_SIZE, "lr": 4e-3}


def loss(model: torch.nn.Module, x: torch.Tensor, generator: torch.Generator | None = None) -> losses.Terms:
    return losses.negative_elbo(model, binarized(x, generator), generator)


def measure(model: models.VariationalAutoencoder, images: torch.Tensor, samples: int) -> dict:
    """The ELBO and log p(x), in nats, of test images under one seeded binarization."""
    x = binarized(images, torch.Generator().manual_seed(SEED))
    # Half precision moves the logits by their last digits, at random, and takes half the time.
    with devices.mixed_precision(next(model.parameters()).device):
        bound = torch.cat(
            [metrics.log_likelihood(model, part, samples, seed=i) for i, part in enumerate(x.split(500))]
        )
    return {
        "elbo": -training.evaluate(model, x)["loss"],
        "log_likelihood": bound.double().mean().item(),
        "standard_error": bound.std().item() / len(bound) ** 0.5,
        "samples": samples,
        "images": len(images),
    }


def corrected(
    bound: Callable[..., torch.Tensor], x: torch.Tensor, *, few: int, many: int, every: int
) -> dict[str, float]:
    """log p(x) with many importance samples, at a fraction of the cost.

    All images are measured with few, some with many as well: the mean of the first, plus what the second
    adds, has the mean of many samples for all images, and hardly more error.

    Parameters
    ----------
    bound : callable
        bound(images, samples, seed=…) gives the importance-weighted bound of each image, in nats.
    x : torch.Tensor
        All images.
    few, many : int
        Samples an image.
    every : int
        Of so many images one is measured with many.
    """
    quick, some = bound(x, few).double(), slice(None, None, every)
    gain = bound(x[some], many, seed=1).double() - quick[some]
    return {
        "log p(x)": (quick.mean() + gain.mean()).item(),
        "standard error": (quick.var() / len(quick) + gain.var() / len(gain)).sqrt().item(),
        "gain": gain.mean().item(),
        "standard error of the gain": (gain.std() / len(gain) ** 0.5).item(),
    }


def main() -> int:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    images, test = (datasets.load("mnist", split).images for split in ("train", "test"))
    torch.manual_seed(SEED)
    model = models.VariationalAutoencoder(**CONFIG)
    history = training.fit(model, images, loss=loss, seed=SEED, **RECIPE)
    round_as_stored(model)
    print(f"trained in {sum(history.seconds) / 60:.1f} minutes; measuring …", flush=True)
    stated = {
        "recipe": {**RECIPE, "data": "mnist, binarized anew in every batch", "loss": "negative ELBO"},
        "seed": SEED,
        "versions": versions(),
        "seconds": sum(history.seconds),
    }
    # Saved at once, because what follows takes long; then again, with the result.
    path = checkpoints.save(model, checkpoints.folder() / NAME, **stated)
    measured = measure(model, test, samples)
    print(f"{measured}", flush=True)
    some = {str(k): measure(model, test[:500], k)["log_likelihood"] for k in (samples, 5 * samples)}
    checkpoints.save(model, path, **stated, test=measured, first_five_hundred_images=some)
    quote(PAGE, "likelihood", sentence(checkpoints.metadata(path)))
    print(sentence(checkpoints.metadata(path)))
    return 0


def sentence(stated: dict) -> str:
    """What docs/speed.md says of it, from the weights' header."""
    test, config = stated["test"], stated["config"]
    (fewer, less), (more, better) = sorted(
        (int(k), value) for k, value in stated["first_five_hundred_images"].items()
    )
    result = (
        f"On binarized MNIST, log p(x) ≥ {test['log_likelihood']:.2f} nats (standard error "
        f"{test['standard_error']:.2f}; {test['images']:,} test images, {test['samples']:,} importance "
        f"samples each; ELBO {test['elbo']:.2f}), after {stated['seconds'] / 60:.0f} minutes of training on "
        f"two cores. Of the first 500 images it is {less:.2f} with {fewer:,} samples and {better:.2f} with "
        f"{more:,}."
    )
    paper = (
        "The paper on the importance-weighted bound (Burda et al., 2015, Table 1) has "
        f"{PAPER} for its VAE, with 5,000 samples."
    )
    architecture = (
        f"The model: 4×4 convolutions with {' and '.join(map(str, config['widths']))} channels, a hidden "
        f"layer of {config['hidden']}, {config['latent_dim']} latent dimensions; `python course.py "
        "likelihood` trains it."
    )
    return f"{result} {paper} {architecture}"


if __name__ == "__main__":
    sys.exit(main())
