"""Train and measure what notebook 06 rests on, and write results/objectives.json.

    python course.py objectives [GROUP …] [--fresh]     three quarters of an hour on one core

Four groups: `sizes` (2 to 64 latent dimensions), `likelihoods` (the same network under other likelihoods and
betas), `collapse` (a decoder that can do without the code), `bounds` (Burda, Grosse and Salakhutdinov's Table
1: their architecture, a shorter training). Each run is written as soon as it is done, and the next call goes
on after it; what was measured with other settings, or under --fresh, is measured again. One thread, so that
seconds are the processor's.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latentlab_helpers import (
    autoregressive,
    checkpoints,
    datasets,
    latent,
    losses,
    metrics,
    models,
    objectives,
    training,
)
from tools.claims.data import Judge, Seen
from tools.claims.samples import frechet_distance
from tools.experiments import Experiment, carry_out
from tools.likelihood import corrected
from tools.networks.annealing import KLAnnealing

RESULTS = Path(__file__).resolve().parent.parent / "results" / "objectives.json"
SIZES, SEEDS, SAMPLES = (2, 4, 8, 16, 32, 64), (0,), 5000  # one seed, as the lesson says
STEPS = 600  # an epoch's, at batch 100
BETAS = {  # the first is tried with all seeds
    "Bernoulli": (1.0, 0.25, 4.0),
    "continuous Bernoulli": (1.0, 4.0, 16.0),
    "Gaussian": (1.0, 4.0, 16.0),
    "Gaussian by pixel": (1.0,),
    "squared error": (1.0, 0.03),
}
# How strong a decoder is, and what is done against its neglect of the code
COLLAPSE = {
    "plain": {"model": "plain"},
    "masked": {"model": "masked"},
    "masked, no code": {"model": "masked", "beta": 1000.0},
    "masked, annealing": {"model": "masked", "annealing": 2},
    "masked, free bits": {"model": "masked", "free_bits": 0.5},
}
PAPER = {  # -log p(x) in nats, arXiv:1509.00519, Table 1, one stochastic layer
    "VAE, k = 1": 86.76,
    "IWAE, k = 5": 85.54,
    "IWAE, k = 50": 84.78,
}
BOUND_EPOCHS, BOUND_LR = 5, 4e-3
LONGER = {5: 2, 50: 10}  # times the epochs for a VAE: the time of 5 samples, and half that of 50


@dataclass(frozen=True)
class Run(Experiment):
    """One training."""

    latent_dim: int = 16
    likelihood: str = "Bernoulli"
    beta: float = 1.0
    epochs: int = 5
    lr: float = training.LR
    model: str = "plain"
    annealing: int = 0
    free_bits: float = 0.0
    k: int = 1


def matrix() -> list[Run]:
    """Every run, the most wanted ones first."""
    bound = functools.partial(Run, "bounds", latent_dim=50, epochs=BOUND_EPOCHS, lr=BOUND_LR, model="tanh")
    runs = []
    for seed in SEEDS:
        runs += [Run("sizes", f"{size}-D", seed, size) for size in SIZES]
        runs += [Run("sizes", "64-D, beta 0.25", seed, 64, beta=0.25)]
        runs += [Run("collapse", label, seed, epochs=3, **kind) for label, kind in COLLAPSE.items()]
        for likelihood, betas in BETAS.items():
            for beta in betas if seed == SEEDS[0] else betas[:1]:
                if (likelihood, beta) == ("Bernoulli", 1.0):
                    continue  # that is the size 16-D
                label = f"{likelihood}, beta {beta:g}"
                runs.append(Run("likelihoods", label, seed, likelihood=likelihood, beta=beta))
        runs += [bound("VAE, k = 1", seed), bound("IWAE, k = 5", seed, k=5)]
        if seed == SEEDS[0]:
            for k, times in LONGER.items():
                runs += [bound(f"IWAE, k = {k}", seed, k=k)] * (k > 5)
                label = f"VAE, k = 1, {times} times the epochs"
                runs.append(bound(label, seed, epochs=times * BOUND_EPOCHS))
            for label in ("masked", "masked, annealing"):  # so that the end isn't the annealing's
                runs.append(Run("collapse", f"{label}, 8 epochs", seed, epochs=8, **COLLAPSE[label]))
    return runs


class TanhVAE(models.VariationalAutoencoder):
    """The paper's network: two hidden layers of 200 with tanh on either side of 50 latent dimensions."""

    def __init__(self, latent_dim: int):
        super().__init__(latent_dim, widths=(200, 200))
        for part in (self.encoder, self.decoder):
            for i, layer in enumerate(part):
                if isinstance(layer, nn.ReLU):
                    part[i] = nn.Tanh()


MAKE: dict[str, Callable[[int], models.VariationalAutoencoder]] = {
    "plain": models.VariationalAutoencoder,
    "tanh": TanhVAE,
    "masked": autoregressive.AutoregressiveVAE,
}
PIXELS: dict[str, dict[str, Any]] = {
    "Gaussian": {},
    "Gaussian by pixel": {"shape": (1, 28, 28)},
    "squared error": {
        "sigma": 0.5**0.5,
        "learned": False,
    },  # whose nats are the sum of squares, and a constant
}


def made(run: Run) -> tuple[models.VariationalAutoencoder, training.Loss]:
    """An untrained model, and its loss."""
    torch.manual_seed(run.seed)
    model = MAKE[run.model](run.latent_dim)
    reconstruction: Callable = losses.bernoulli
    if run.likelihood == "continuous Bernoulli":
        reconstruction = objectives.continuous_bernoulli
    elif run.likelihood in PIXELS:
        reconstruction = model.pixels = objectives.GaussianPixels(**PIXELS[run.likelihood])
    if run.k > 1:
        loss: training.Loss = functools.partial(objectives.importance_weighted_loss, k=run.k)
    elif run.free_bits:
        loss = functools.partial(objectives.free_bits, nats=run.free_bits)
    elif run.annealing:
        loss = KLAnnealing(run.annealing * STEPS)
    else:
        loss = functools.partial(losses.negative_elbo, beta=run.beta, reconstruction=reconstruction)
    if run.group in ("collapse", "bounds"):
        return model, lambda model, x, generator=None: loss(
            model, objectives.binarized(x, generator), generator
        )
    return model, loss


def perform(run: Run) -> dict[str, Any]:
    """Train, and measure what the run's group needs."""
    train, test = (datasets.load("mnist", split) for split in ("train", "test"))
    model, loss = made(run)
    start = time.process_time()
    training.fit(model, train.images, epochs=run.epochs, loss=loss, lr=run.lr, seed=run.seed, progress=False)
    seconds = time.process_time() - start
    measure = {"collapse": collapse, "bounds": bounds}.get(run.group, common)
    return {"seconds": seconds, **measure(model, run, test)}


def common(model: models.VariationalAutoencoder, run: Run, test: datasets.ImageSet) -> dict[str, Any]:
    """By what models with different likelihoods can be compared: their images, and the KL."""
    mean = torch.sigmoid
    reconstruction: Callable = losses.bernoulli
    if run.likelihood == "continuous Bernoulli":
        mean, reconstruction = objectives.continuous_bernoulli_mean, objectives.continuous_bernoulli
    elif run.likelihood in PIXELS:
        reconstruction = model.pixels
    terms = training.evaluate(
        model, test.images, functools.partial(losses.negative_elbo, reconstruction=reconstruction)
    )
    x, mu = datasets.to_float(test.images), metrics.embed(model, test.images)
    z = torch.randn(SAMPLES, run.latent_dim, generator=torch.Generator().manual_seed(run.seed))
    with models.evaluating(model):
        logits = model.decoder(mu)
        images, samples = mean(logits), mean(model.decoder(z))
    real, again, drawn = known().features[:SAMPLES], judge()(images), judge()(samples)
    numbers = {
        "kl": terms["kl"],
        "elbo": -terms["loss"],
        "active units": latent.active_units(mu).sum().item(),
        "kl by dimension": by_dimension(model, x),
        "mse": (images - x).square().mean().item(),
        "sharpness": metrics.sharpness(images, x),
        "read as its digit": (again.classes == test.labels).float().mean().item(),
        "Fréchet distance, N(0, I)": frechet_distance(drawn.features, real),
        "Fréchet distance, reconstructions": frechet_distance(again.features[:SAMPLES], real),
        "confidence, N(0, I)": drawn.confidence.mean().item(),
    }
    if run.likelihood == "continuous Bernoulli":
        numbers["mse of p"] = (torch.sigmoid(logits) - x).square().mean().item()
    if run.likelihood in PIXELS:
        sigma = model.pixels.sigma.detach()
        numbers |= {
            "sigma": sigma.median().item(),
            "at the floor": (sigma <= model.pixels.floor).float().mean().item(),
        }
    return numbers


@functools.cache
def judge() -> Judge:
    """The shipped classifier."""
    return Judge(checkpoints.load("classifier"))


@functools.cache
def known() -> Seen:
    """What the classifier makes of the test digits themselves."""
    return judge()(datasets.to_float(datasets.load("mnist", "test").images))


def by_dimension(model: models.VariationalAutoencoder, x: torch.Tensor) -> list[float]:
    """The mean KL of each latent dimension, the largest first."""
    with models.evaluating(model):
        kl = losses.kl_per_dimension(*model.encode(x)).mean(0)
    return kl.sort(descending=True).values.tolist()


def coins(test: datasets.ImageSet) -> torch.Tensor:
    """The test images, binarized once, the same for all runs."""
    return objectives.binarized(test.images, torch.Generator().manual_seed(0))


def collapse(model: models.VariationalAutoencoder, run: Run, test: datasets.ImageSet) -> dict[str, Any]:
    """How much the code says, and what the decoder makes of it."""
    x = coins(test)
    terms = training.evaluate(model, x)
    return {
        "elbo": -terms["loss"],
        "kl": terms["kl"],
        "reconstruction": terms["reconstruction"],
        "active units": latent.active_units(metrics.embed(model, x)).sum().item(),
        "reconstruction with another image's code": shuffled(model, x),
    }


def shuffled(model: models.VariationalAutoencoder, x: torch.Tensor) -> float:
    """The reconstruction term, in nats, when each image is decoded from the code of another one."""
    generator, total = torch.Generator().manual_seed(0), 0.0
    with models.evaluating(model):
        for part in x.split(1000):
            z = model.reparameterize(*model.encode(part), generator).roll(1, 0)
            masked = isinstance(model, autoregressive.AutoregressiveVAE)
            total += losses.bernoulli(
                model.decoder(z, part) if masked else model.decoder(z), part
            ).item() * len(part)
    return total / len(x)


def bounds(model: models.VariationalAutoencoder, run: Run, test: datasets.ImageSet) -> dict[str, Any]:
    """log p(x) as in the paper, with 5,000 samples (of 500 images; of all of them with 100)."""
    x = coins(test)
    of_model = functools.partial(metrics.log_likelihood, model)
    log_likelihood = corrected(of_model, x, few=100, many=5000, every=20)
    terms = training.evaluate(model, x)
    return {
        "elbo": -terms["loss"],
        "kl": terms["kl"],
        **log_likelihood,
        "active units": latent.active_units(metrics.embed(model, x)).sum().item(),
    }


def main() -> int:
    return carry_out(matrix(), perform, RESULTS, "notebook 06", paper=PAPER)


if __name__ == "__main__":
    raise SystemExit(main())
