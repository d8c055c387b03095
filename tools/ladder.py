"""Train VAEs of one to three levels on binarized MNIST, measure log p(x), and write results/ladder.json.

    python course.py ladder [GROUP …] [--fresh]     three hours on one core

Two groups: `long` (what three levels reach) and `depth` (the same network with codes on one, two and three
levels; one level with a wider network, or with as many codes; three levels without annealing; all for the
same number of epochs). Samples of each go to results/pictures/depth.webp. The protocol is that of
`likelihood`: images are binarized anew whenever they are seen in training, the test images once. One thread,
so that seconds are the processor's.

The settings were chosen with seed 7: at this learning rate log-variances without a bound overflowed within
the first epoch. With KL annealing the lowest level was in use after three epochs, and without it empty (ELBO
-88.3 and -89.8 nats); in the recorded trainings it is empty at the end in spite of annealing.
"""

from __future__ import annotations

import functools
import io
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from latentlab_helpers import datasets, losses, models, objectives, plots, training
from latentlab_helpers.files import write_whole
from tools.experiments import Experiment, carry_out, packed, unpacked
from tools.likelihood import corrected
from tools.networks import ladder
from tools.networks.annealing import KLAnnealing
from tools.quote import quote

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "ladder.json", ROOT / "docs" / "depth.md"
LITERATURE = {  # -log p(x) in nats, on MNIST binarized anew, with 5,000 importance samples
    "VAE, one level (Burda et al. 2016)": 86.76,
    "VAE, two levels (Burda et al. 2016)": 85.33,
    "Ladder VAE, five levels (Sønderby et al. 2016)": 81.74,
}
DEPTHS: dict[str, dict[str, Any]] = {
    "one level": {"maps": (0, 0)},
    "three levels": {"maps": (4, 1)},
    "one level, wider": {"maps": (0, 0), "width": 36},  # takes the time of three levels
    "three levels, beta 1 from the start": {"annealing": 0},
    "one level, as many codes": {"maps": (0, 0), "latent_dim": 32 + 4 * 7**2 + 14**2},
    "two levels": {"maps": (4, 0)},
}
PICTURE = ROOT / "results" / "pictures" / "depth.webp"
SHOWN, COLUMNS = 40, 14  # samples in the file, and in the picture
FEW, MANY, EVERY = 50, 1000, 20  # importance samples: of each image, and of each twentieth


@dataclass(frozen=True)
class Run(Experiment):
    """One training."""

    maps: tuple[int, int] = (4, 1)
    width: int = 32
    latent_dim: int = 32
    epochs: int = 8
    lr: float = 3e-3
    annealing: int = 1  # epochs in which beta rises from 0 to 1


def matrix() -> list[Run]:
    """Every run, the most wanted ones first."""
    return [
        Run("long", "three levels", 0, epochs=60),
        *(Run("depth", label, 0, **kind) for label, kind in DEPTHS.items()),
    ]


def loss(
    model: torch.nn.Module, x: torch.Tensor, generator: torch.Generator | None = None, beta: float = 1.0
) -> losses.Terms:
    assert isinstance(model, ladder.LadderVariationalAutoencoder)
    return ladder.ladder_elbo(model, objectives.binarized(x, generator), generator, beta=beta)


def perform(run: Run) -> dict[str, Any]:
    """Train, and measure log p(x) of the test images."""
    train, test = (datasets.load("mnist", split).images for split in ("train", "test"))
    torch.manual_seed(run.seed)
    model = ladder.LadderVariationalAutoencoder(run.latent_dim, maps=run.maps, width=run.width)
    model.to(memory_format=torch.channels_last)
    rise = run.annealing * math.ceil(len(train) / training.BATCH_SIZE)
    annealed: training.Loss = KLAnnealing(rise, loss=loss) if rise else loss
    start = time.process_time()
    history = training.fit(
        model, train, loss=annealed, epochs=run.epochs, lr=run.lr, seed=run.seed, progress=False
    )
    seconds = time.process_time() - start
    x = objectives.binarized(test, torch.Generator().manual_seed(0))
    return {
        "seconds": seconds,
        "weights": sum(p.numel() for p in model.parameters()),
        **training.evaluate(model, x, ladder.ladder_elbo),
        **measured(model, x),
        "training loss": history.train["loss"],
        "samples": shown(model),
    }


def shown(model: ladder.LadderVariationalAutoencoder) -> str:
    """Samples, as the file of results holds them."""
    with models.evaluating(model):
        return packed(model.sample(SHOWN, torch.Generator().manual_seed(1000)))


def measured(model: ladder.LadderVariationalAutoencoder, x: torch.Tensor) -> dict[str, float]:
    """log p(x) with MANY samples (of some images; of all of them with FEW)."""
    return corrected(functools.partial(log_likelihood, model), x, few=FEW, many=MANY, every=EVERY)


def log_likelihood(
    model: ladder.LadderVariationalAutoencoder, x: torch.Tensor, k: int, seed: int = 0
) -> torch.Tensor:
    """The importance-weighted bound on log p(x) of each image (arXiv:1509.00519), float64, (n,)."""
    noise, bounds = torch.Generator().manual_seed(seed), []
    with models.evaluating(model):
        for part in x.split(50):
            weights = [model.log_weights(part, min(20, k), noise).double() for _ in range(math.ceil(k / 20))]
            bounds.append(torch.cat(weights).logsumexp(0) - math.log(sum(map(len, weights))))
    return torch.cat(bounds)


def table(runs: dict[str, Any]) -> str:
    """What docs/depth.md shows: a row for each training, and what others report."""
    rows = [
        "| model | epochs | minutes of a core | weights | ELBO | nats by level, from the top | log p(x) ≥ |",
        "|---|--:|--:|--:|--:|---|--:|",
    ]
    for run in runs.values():
        of, known = run["settings"], run["numbers"]
        levels = ", ".join(f"{known[name]:.1f}" for name in sorted(known) if name.startswith("kl "))
        rows.append(
            f"| {of['label']} | {of['epochs']} | {known['seconds'] / 60:.0f} | {known['weights']:,} "
            f"| {-known['loss']:.2f} | {levels} | {known['log p(x)']:.2f} ± {known['standard error']:.2f} |"
        )
    rows += [f"| {name} | | | | | | {-nats:.2f} |" for name, nats in LITERATURE.items()]
    return "\n".join(rows)


def picture(runs: dict[str, Any]) -> bytes:
    """The first samples of each training, as WebP."""
    rows = {
        f"{run['settings']['label']}, {run['settings']['epochs']} epochs": unpacked(
            run["numbers"]["samples"], 1, 28, 28
        )[:COLUMNS]
        for run in runs.values()
    }
    buffer = io.BytesIO()
    plots.image_rows(rows, alt="").savefig(buffer, format="webp", dpi=80, bbox_inches="tight")
    return buffer.getvalue()


def main() -> int:
    done = carry_out(matrix(), perform, RESULTS, "docs/depth.md", literature=LITERATURE)
    runs = json.loads(RESULTS.read_text("utf-8"))["runs"]
    quote(PAGE, "ladder", table(runs))
    write_whole(PICTURE, picture(runs))
    return done


if __name__ == "__main__":
    raise SystemExit(main())
