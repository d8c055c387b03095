"""The matrix of trainings that the claims rest on, and how one of them is trained and measured."""

from __future__ import annotations

import copy
import functools
import math
import time
from dataclasses import asdict, dataclass
from itertools import product

import torch
from threadpoolctl import threadpool_limits
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from latentlab_helpers import losses, metrics, models, training
from tools.claims import measures
from tools.claims.data import images
from tools.claims.measures import MAPPED, OWN
from tools.claims.rules import CLAIMS, SEEDS, SIZES, TARGETS

BETAS = (0.25, 0.5, 2.0, 4.0, 8.0)
EPOCHS = 5
PACE_EPOCHS, PACE_LR = 10, 1e-3  # a constant learning rate: Adam's default
FINE, COARSE = 10, 100  # steps between two looks, in the first epoch and later
FEW = SEEDS[:5]
# Where every verdict is tried: data, architecture and seeds. The first is the ledger's own.
WORLDS = {
    "": ("mnist", "mlp", SEEDS),
    "convolutional": ("mnist", "conv", FEW),
    "Fashion-MNIST": ("fashion", "mlp", FEW),
}
REPLICATED = (2, 16, 64)  # of the latent sizes, those that are tried again


def optimal_gaussian(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """-log p(x|z) in nats per image, each pixel a Gaussian around the image, with the variance that fits.

    The best variance of a batch is its mean squared error (Rybkin et al., arXiv:2006.13202).
    """
    return 0.5 * x[0].numel() * (torch.log(2 * math.pi * losses.mse(logits, x)) + 1)


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
    world: str = ""

    @property
    def data(self) -> str:
        return WORLDS[self.world][0]

    @property
    def architecture(self) -> str:
        return WORLDS[self.world][1]

    @property
    def name(self) -> str:
        return f"{self.recipe}_seed{self.seed}"

    @property
    def recipe(self) -> str:
        """What runs of all seeds have in common."""
        extra = "" if self.beta == 1 else f"_beta{self.beta:g}"
        extra += "" if self.reconstruction == "bernoulli" else f"_{self.reconstruction}"
        before = f"{self.world}: " if self.world else ""
        return f"{before}{self.kind}_{self.latent_dim}{extra}{'_constant' * self.constant_lr}"

    @property
    def loss(self):
        own = {"optimal_gaussian": optimal_gaussian}
        reconstruction = own.get(self.reconstruction) or getattr(losses, self.reconstruction)
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
    for world, (_, _, seeds) in WORLDS.items():
        of = functools.partial(Run, world=world)
        for seed, kind in product(seeds, ("ae", "vae")):
            bound = ("bound",) if kind == "vae" and not world else ()
            runs.append(of(kind, 16, seed, groups=(*MAIN, *bound)))
            runs.append(of(kind, 2, seed, groups=("compression", "structure", "neighbours")))
            runs.append(of(kind, 16, seed, constant_lr=True, groups=("pace",)))
        runs += [of("control", 16, seed, groups=("controls",)) for seed in seeds]
        sizes = [size for size in (REPLICATED if world else SIZES) if size not in (2, 16)]
        runs += [of(kind, size, seed) for seed, size, kind in product(seeds, sizes, ("ae", "vae"))]
    beside = ("compression", "sharp")
    for seed in FEW:
        of_vae = ("compression", "sharp", "one_gaussian", "bound")
        runs += [Run("vae", 16, seed, beta, groups=of_vae) for beta in BETAS]
        runs += [Run("ae", 16, seed, reconstruction="mse", groups=beside)]
        runs += [Run("vae", 16, seed, reconstruction="optimal_gaussian", groups=beside)]
    return runs


def train(run: Run) -> tuple[nn.Module, training.History, Pace | None]:
    """The trained model, its history, and for a run at a constant learning rate its pace."""
    torch.manual_seed(run.seed)
    kind = models.VariationalAutoencoder if run.kind == "vae" else models.Autoencoder
    model = kind(run.latent_dim, architecture=run.architecture)
    settings = {"loss": run.loss, "seed": run.seed, "progress": False}
    pixels, test = (images(run.data, split).images for split in ("train", "test"))
    if not run.constant_lr:
        return model, training.fit(model, pixels, test_images=test, epochs=EPOCHS, **settings), None
    pace = Pace(model, run)
    handle = register_optimizer_step_post_hook(pace)
    try:
        history = training.fit(model, pixels, epochs=PACE_EPOCHS, lr=PACE_LR, schedule=constant, **settings)
    finally:
        handle.remove()
    return model, history, pace


def constant(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


class Pace:
    """The test loss and test MSE every few steps, and the seconds of training until then.

    Seconds are the processor's, of a process with one thread, so that a busy neighbour doesn't count.
    """

    def __init__(self, model: nn.Module, run: Run):
        self.model, self.loss = model, run.loss
        self.images = images(run.data, "test").images[:MAPPED]
        self.step, self.points, self.looking = 0, [], 0.0
        self.at_target: nn.Module | None = None  # the model when it first reached the third of the targets
        self.start = time.process_time()
        self._look()

    def __call__(self, optimizer, *_) -> None:
        self.step += 1
        if self.step % (FINE if self.step <= 600 else COARSE) == 0:
            self._look()

    def _look(self) -> None:
        before = time.process_time()
        point = {
            "step": self.step,
            "seconds": before - self.start - self.looking,
            "loss": training.evaluate(self.model, self.images, self.loss)["loss"],
            "mse": metrics.reconstruction_mse(self.model, self.images),
        }
        self.points.append(point)
        if self.at_target is None and point["mse"] <= TARGETS[2]:
            self.at_target = copy.deepcopy(self.model)
        self.looking += time.process_time() - before


def pace_numbers(points: list[dict]) -> dict:
    """When test errors are reached; the last step stands for one that isn't. And 95 % of a run's own fall."""
    numbers = {}
    for target in TARGETS:
        done = next((point for point in points if point["mse"] <= target), points[-1])
        numbers[f"steps to MSE {target:g}"] = done["step"]
        numbers[f"seconds to MSE {target:g}"] = done["seconds"]
        numbers[f"reached MSE {target:g}"] = float(done["mse"] <= target)
    first, last = points[0]["loss"], points[-1]["loss"]
    done = next(point for point in points if first - point["loss"] >= 0.95 * (first - last))
    return {**numbers, "steps to 95 % of its own fall": done["step"]}


def perform(run: Run) -> dict:
    """Train and measure one run, with one thread, so that runs can stand side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            return _performed(run)
    finally:
        torch.set_num_threads(threads)


def _performed(run: Run) -> dict:
    costs: dict[str, float] = {}
    result: dict = {"settings": {key: value for key, value in asdict(run).items() if key != "groups"}}
    model = history = None
    numbers: dict[str, float] = {}
    with clocked(costs, "training"):
        if run.kind != "control":
            model, history, pace = train(run)
            if pace:
                points = [[point[key] for key in ("step", "loss", "mse")] for point in pace.points]
                result["curve"] = [[rounded(value) for value in point] for point in points]
                numbers = pace_numbers(pace.points)
                when = f", at MSE {TARGETS[2]:g}"
                if pace.at_target is not None:
                    numbers |= measures.paths(pace.at_target, run, history, when)
            else:
                result["curve"] = {
                    name: [rounded(value) for value in series["loss"]]
                    for name, series in (("train", history.train), ("test", history.test))
                }
    for group in run.groups:
        if group != "pace":
            with clocked(costs, group):
                numbers |= getattr(measures, group)(model, run, history)
    if run.world:
        result.pop("curve", None)  # which no lesson draws
    result["numbers"] = {name: rounded(value) for name, value in numbers.items()}
    return {**result, "seconds": {name: round(seconds, 1) for name, seconds in costs.items()}}


class clocked:
    """Add what happens inside to the processor seconds of a name."""

    def __init__(self, costs: dict[str, float], name: str):
        self.costs, self.name = costs, name

    def __enter__(self) -> None:
        self.start = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.costs[self.name] = self.costs.get(self.name, 0.0) + time.process_time() - self.start


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def measured(runs: dict[str, dict], world: str = "") -> dict[str, dict[str, list[float]]]:
    """What the claims are judged by: each metric's numbers in the seeds' order, of models and controls."""
    result: dict = {"ae": {}, "vae": {}, "control": {}, "ae control": {}, "vae control": {}}
    wanted = {part.metric for claim in CLAIMS.values() for part in claim.parts}
    for run in matrix():  # in which seeds rise
        if run.world != world or run.beta != 1 or run.reconstruction != "bernoulli":
            continue  # beside the claims
        for name, value in runs[run.name]["numbers"].items():
            own = name.startswith(OWN)
            metric = name.removeprefix(OWN)
            if metric in wanted:
                result[f"{run.kind} control" if own else run.kind].setdefault(metric, []).append(value)
    return result
