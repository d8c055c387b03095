"""Train and measure what notebook 08 rests on, and write results/gan.json.

    python course.py gan [GROUP …] [--fresh]     an hour on one core

Three groups: `mixture` (25 Gaussians, by game and penalty: how many are found), `generators` (MNIST, one
network for all: GANs by game and penalty, and a VAE) and `floor` (what the judges say of real digits). Each
run is written as soon as it is done, and the next call goes on after it. One thread, so
that seconds are the processor's.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from latentlab_helpers import adversarial, datasets, metrics, models, training
from tools import judging
from tools.claims.data import floats, judge
from tools.claims.samples import SAMPLES, SOFT, softened
from tools.experiments import Experiment, carry_out, packed

RESULTS = Path(__file__).resolve().parent.parent / "results" / "gan.json"
SEEDS = (0, 1, 2, 3, 4)
LATENT_DIM, NETWORK = 16, {"architecture": "conv", "widths": (16, 32)}  # generator, and the VAE's decoder
STEPS, EPOCHS = 4000, 20  # either is about judging.BUDGET
GAMES: dict[str, adversarial.Game] = {
    "minimax": adversarial.minimax,
    "non-saturating": adversarial.non_saturating,
    "relativistic": adversarial.relativistic,
}
GAMMA = 1.0  # the penalty's weight on digits
POINT_GAMMA, POINT_STEPS, POINT_LR = 0.1, 3000, 4e-3  # on points, whose scale is another
POINT_SEEDS = (0, 1, 2)
SHOWN, COMPARED = 40, 1000  # samples that are kept as images, and that are compared with all training images
SHARE = 0.02  # of the samples: a digit that has less isn't found; a fair share is 0.1


@dataclass(frozen=True)
class Run(Experiment):
    """One training."""

    game: str = "relativistic"  # one of GAMES, "VAE" or none
    gamma: float = 0.0
    steps: int = STEPS
    batch_size: int = adversarial.BATCH_SIZE
    lr: float = adversarial.LR


def matrix() -> list[Run]:
    """Every run, the most wanted ones first."""
    runs = []
    for seed in SEEDS:
        runs += [
            Run("generators", "GAN, R3", seed, "relativistic", GAMMA),
            Run("generators", "GAN, original", seed, "non-saturating"),
            Run("generators", "VAE, N(0, I)", seed, "VAE", steps=EPOCHS, batch_size=100, lr=training.LR),
            Run("generators", "GAN, original, penalty", seed, "non-saturating", GAMMA),
            Run("generators", "GAN, R3 without penalty", seed, "relativistic"),
        ]
        if seed in POINT_SEEDS:
            point = functools.partial(Run, "mixture", seed=seed, batch_size=128, lr=POINT_LR)
            for game in GAMES:
                for gamma in (0.0, POINT_GAMMA):
                    label = game + ", penalty" * (gamma > 0)
                    runs.append(point(label, game=game, gamma=gamma, steps=POINT_STEPS))
            # so that what the penalty does isn't what its longer steps, or smaller ones, would do
            for how, times, slower in (
                ("twice the steps", 2, 1),
                ("a quarter of the rate", 1, 4),
                ("a quarter of the rate, four times the steps", 4, 4),
            ):
                label = f"non-saturating, {how}"
                steps, lr = times * POINT_STEPS, POINT_LR / slower
                runs.append(point(label, game="non-saturating", steps=steps, lr=lr))
        if seed == SEEDS[0]:
            runs.append(Run("floor", "training images", seed, "none", steps=0))
    return runs


def perform(run: Run) -> dict[str, Any]:
    """Train, and measure what the run's group needs."""
    if run.group == "floor":
        return {"seconds": 0.0, "judged": judging.floor()}
    return mixture(run) if run.group == "mixture" else digits(run)


def mixture(run: Run) -> dict[str, Any]:
    """How many of the modes are found, and how many samples lie near one."""
    points, centres = adversarial.grid_of_gaussians(50_000)
    torch.manual_seed(run.seed)
    generator, discriminator = adversarial.PointGenerator(), adversarial.PointDiscriminator()
    seconds = played(run, generator, discriminator, points)
    with torch.no_grad():
        samples = generator.decode(noise(run, generator.latent_dim))
    found, near = adversarial.modes_found(samples, centres)
    return {"seconds": seconds, "modes": found, "near": near}


def digits(run: Run) -> dict[str, Any]:
    """What the judges say of a generator's digits, which there are, and how near training images lie."""
    train = datasets.load("mnist", "train").images
    torch.manual_seed(run.seed)
    decode: Callable[[torch.Tensor], torch.Tensor]
    if run.game == "VAE":
        vae = models.VariationalAutoencoder(LATENT_DIM, **NETWORK).to(memory_format=torch.channels_last)
        start = time.process_time()
        training.fit(vae, train, epochs=run.steps, lr=run.lr, seed=run.seed, progress=False)
        seconds, decode = time.process_time() - start, vae.decode
    else:
        generator = adversarial.Generator(LATENT_DIM, **NETWORK)
        seconds = played(run, generator, adversarial.Discriminator(**NETWORK), train)
        decode = generator.decode
    with torch.no_grad():
        samples = torch.cat([decode(z) for z in noise(run, LATENT_DIM).split(1000)]).contiguous()
    share = judge("mnist", "A")(samples).classes.bincount(minlength=10) / len(samples)
    return {
        "seconds": seconds,
        "judged": judging.judged(samples),
        "share of each digit": share.tolist(),
        "digits found": int((share >= SHARE).sum()),
        "nearest": nearest(samples),
        "samples": packed(samples[:SHOWN]),
    }


def played(run: Run, generator: Any, discriminator: Any, data: torch.Tensor) -> float:
    """Train both; the seconds of the processor that it took."""
    for player in (generator, discriminator):
        player.to(memory_format=torch.channels_last)
    start = time.process_time()
    adversarial.fit_adversarial(
        generator,
        discriminator,
        data,
        steps=run.steps,
        loss=GAMES[run.game],
        gamma=run.gamma,
        batch_size=run.batch_size,
        lr=run.lr,
        seed=run.seed,
        progress=False,
    )
    return time.process_time() - start


def noise(run: Run, latent_dim: int) -> torch.Tensor:
    """The codes that are decoded to be judged: the same for all of one seed."""
    return torch.randn(SAMPLES, latent_dim, generator=torch.Generator().manual_seed(1000 + run.seed))


def nearest(samples: torch.Tensor) -> dict[str, float]:
    """The mean distance to the nearest training image, of samples and of test images, as they are and equally
    soft: a generator that had learned images by heart would be nearer than the test images are."""
    train, test = floats("mnist", "train"), floats("mnist", "test")[:COMPARED]
    some, references = samples[:COMPARED], floats("mnist", "test")[: len(samples)]
    soft = softened(samples, references, SOFT)[:COMPARED]
    soft_test = softened(references, references, SOFT)[:COMPARED]
    distance = {
        "samples": metrics.nearest_real_distance(some, train),
        "test images": metrics.nearest_real_distance(test, train),
        "samples, equally soft": metrics.nearest_real_distance(soft, train),
        "test images, equally soft": metrics.nearest_real_distance(soft_test, train),
    }
    return {name: values.mean().item() for name, values in distance.items()} | {
        "least of the samples": distance["samples"].min().item(),
        "least of the test images": distance["test images"].min().item(),
    }


def main() -> int:
    return carry_out(matrix(), perform, RESULTS, "notebook 08")


if __name__ == "__main__":
    raise SystemExit(main())
