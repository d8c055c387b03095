"""The matrix of trainings that the claims rest on, and how one of them is trained and measured."""

from __future__ import annotations

import functools
import time
from dataclasses import asdict, dataclass
from itertools import product

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from latentlab_helpers import losses, metrics, models, training
from tools.claims import measures
from tools.claims.measures import MAPPED, OWN, data
from tools.claims.rules import CLAIMS, SEEDS, SIZES

BETAS = (0.25, 0.5, 2.0, 4.0, 8.0)
EPOCHS = 5
PACE_EPOCHS, PACE_LR = 10, 1e-3  # a constant learning rate: Adam's default
FINE, COARSE = 10, 100  # steps between two looks, in the first epoch and later


@dataclass(frozen=True)
class Run:
    """One training and what is measured on it. `groups` are functions of `measures`, by name."""

    kind: str  # ae, vae, control
    latent_dim: int
    seed: int
    beta: float = 1.0
    reconstruction: str = "bernoulli"
    constant_lr: bool = False
    groups: tuple[str, ...] = ("compression",)

    @property
    def name(self) -> str:
        return f"{self.recipe}_seed{self.seed}"

    @property
    def recipe(self) -> str:
        """What runs of all seeds have in common."""
        extra = "" if self.beta == 1 else f"_beta{self.beta:g}"
        extra += "" if self.reconstruction == "bernoulli" else f"_{self.reconstruction}"
        return f"{self.kind}_{self.latent_dim}{extra}{'_constant' * self.constant_lr}"

    @property
    def loss(self):
        reconstruction = getattr(losses, self.reconstruction)
        if self.kind == "vae":
            return functools.partial(losses.negative_elbo, beta=self.beta, reconstruction=reconstruction)
        return functools.partial(losses.autoencoder_loss, reconstruction=reconstruction)


MAIN = (
    "compression", "fall", "sharp", "paths", "structure",
    "maps", "morph", "neighbours", "samples", "directions",
)  # fmt: skip


def matrix() -> list[Run]:
    """Every run, the ones that most claims rest on first."""
    runs = []
    for seed, kind in product(SEEDS, ("ae", "vae")):
        runs.append(Run(kind, 16, seed, groups=MAIN))
        runs.append(Run(kind, 2, seed, groups=("compression", "structure", "neighbours")))
        runs.append(Run(kind, 16, seed, constant_lr=True, groups=("pace",)))
    runs += [Run("control", 16, seed, groups=("controls",)) for seed in SEEDS]
    sizes = [size for size in SIZES if size not in (2, 16)]
    runs += [Run(kind, size, seed) for seed, size, kind in product(SEEDS, sizes, ("ae", "vae"))]
    runs += [
        Run("vae", 16, seed, beta, groups=("compression", "samples")) for seed, beta in product(SEEDS, BETAS)
    ]
    runs += [Run("ae", 16, seed, reconstruction="mse", groups=("compression", "sharp")) for seed in SEEDS]
    return runs


def train(run: Run) -> tuple[nn.Module, training.History, list[dict]]:
    """The trained model, its history, and for a run at a constant learning rate its pace."""
    torch.manual_seed(run.seed)
    kind = models.VariationalAutoencoder if run.kind == "vae" else models.Autoencoder
    model = kind(run.latent_dim)
    settings = {"loss": run.loss, "seed": run.seed, "progress": False}
    if not run.constant_lr:
        history = training.fit(
            model, data("train").images, test_images=data("test").images, epochs=EPOCHS, **settings
        )
        return model, history, []
    pace = Pace(model, run)
    handle = register_optimizer_step_post_hook(pace)
    try:
        history = training.fit(
            model, data("train").images, epochs=PACE_EPOCHS, lr=PACE_LR, schedule=constant, **settings
        )
    finally:
        handle.remove()
    return model, history, pace.points


def constant(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


class Pace:
    """The test loss and test MSE every few steps, and the seconds of training until then."""

    def __init__(self, model: nn.Module, run: Run):
        self.model, self.loss = model, run.loss
        self.images = data("test").images[:MAPPED]
        self.step, self.points, self.looking = 0, [], 0.0
        self.start = time.perf_counter()
        self._look()

    def __call__(self, optimizer, *_) -> None:
        self.step += 1
        if self.step % (FINE if self.step <= 600 else COARSE) == 0:
            self._look()

    def _look(self) -> None:
        before = time.perf_counter()
        self.points.append(
            {
                "step": self.step,
                "seconds": before - self.start - self.looking,
                "loss": training.evaluate(self.model, self.images, self.loss)["loss"],
                "mse": metrics.reconstruction_mse(self.model, self.images),
            }
        )
        self.looking += time.perf_counter() - before


def pace_numbers(points: list[dict]) -> dict:
    """When 95 % of the fall from the first test loss to the last is done, and the MSE after an epoch."""
    first, last = points[0]["loss"], points[-1]["loss"]
    done = next(point for point in points if first - point["loss"] >= 0.95 * (first - last))
    equal = next(point for point in points if point["step"] == 600)
    return {
        "steps to 95 %": done["step"],
        "seconds to 95 %": done["seconds"],
        "test MSE after 600 steps": equal["mse"],
    }


def perform(run: Run) -> dict:
    """Train and measure one run."""
    start = time.perf_counter()
    result: dict = {"settings": {key: value for key, value in asdict(run).items() if key != "groups"}}
    if run.kind == "control":
        numbers = measures.controls(None, run, None)
    else:
        model, history, points = train(run)
        result["training seconds"] = round(sum(history.seconds), 2)
        if points:
            numbers = pace_numbers(points)
            result["curve"] = [[rounded(point[key]) for key in ("step", "loss", "mse")] for point in points]
        else:
            numbers = {}
            result["curve"] = {
                name: [rounded(value) for value in series["loss"]]
                for name, series in (("train", history.train), ("test", history.test))
            }
        for group in run.groups:
            if group != "pace":
                numbers |= getattr(measures, group)(model, run, history)
    result["numbers"] = {name: rounded(value) for name, value in numbers.items()}
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def measured(runs: dict[str, dict]) -> dict[str, dict[str, list[float]]]:
    """What the claims are judged by: each metric's numbers in the seeds' order, of models and controls."""
    result: dict = {"ae": {}, "vae": {}, "control": {}, "ae control": {}, "vae control": {}}
    wanted = {part.metric for claim in CLAIMS.values() for part in claim.parts}
    for run in matrix():  # in which seeds rise
        if run.beta != 1 or run.reconstruction != "bernoulli":
            continue  # beside the claims
        for name, value in runs[run.name]["numbers"].items():
            own = name.startswith(OWN)
            metric = name.removeprefix(OWN)
            if metric in wanted:
                result[f"{run.kind} control" if own else run.kind].setdefault(metric, []).append(value)
    return result
