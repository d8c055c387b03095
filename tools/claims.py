"""Put the ten claims to the test: train every run of the matrix, measure it, and write the ledger.

    python course.py claims [--fresh]     about half an hour; goes on where it was stopped

The rules are in latentlab_helpers/claims.py. Each run is a training from its own seed; its numbers go to
results/claims.json as soon as it is measured, and the ledger into the README after the last. `--fresh` throws
the file away and starts again, as it must when the versions have changed.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from tqdm.auto import tqdm

from latentlab_helpers import (
    attributes,
    checkpoints,
    claims,
    datasets,
    latent,
    losses,
    metrics,
    models,
    training,
)
from tools.bench import quote
from tools.weights import versions

RESULTS = Path(__file__).resolve().parent.parent / "results" / "claims.json"
SEEDS = claims.SEEDS
BETAS = (0.25, 0.5, 2.0, 4.0, 8.0)
EPOCHS = 5
PERPLEXITIES = (5, 30, 100)
PACE_EPOCHS, PACE_LR = 10, 1e-3  # a constant learning rate: Adam's default
FINE, COARSE = 10, 100  # steps between two looks, in the first epoch and later

# How many images each measure sees
CODES, MAPPED, PAIRS, FRAMES, SAMPLES, BASES = 10_000, 2_000, 100, 11, 5_000, 100
HALF_WAY = slice(3, 8)  # of eleven frames: t from 0.3 to 0.7
OWN = "control: "  # before the name of a number that a model's own control has
STRENGTHS = torch.linspace(-1, 1, 5)  # of an attribute's vector


@dataclass(frozen=True)
class Run:
    """One training and what is measured on it. `groups` are the functions below, by name."""

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
    sizes = [size for size in claims.SIZES if size not in (2, 16)]
    runs += [Run(kind, size, seed) for seed, size, kind in product(SEEDS, sizes, ("ae", "vae"))]
    runs += [
        Run("vae", 16, seed, beta, groups=("compression", "samples")) for seed, beta in product(SEEDS, BETAS)
    ]
    runs += [Run("ae", 16, seed, reconstruction="mse", groups=("compression", "sharp")) for seed in SEEDS]
    return runs


@functools.cache
def data(split: str) -> datasets.ImageSet:
    return datasets.load("mnist", split)


@functools.cache
def floats(split: str) -> torch.Tensor:
    return datasets.to_float(data(split).images)


@functools.cache
def classifier() -> models.Classifier:
    return checkpoints.load("classifier")


@functools.cache
def measured_attributes() -> dict[str, torch.Tensor]:
    """Of the first training images."""
    images = data("train").images[: CODES // 2]
    return {name: getattr(attributes, name)(images) for name in claims.ATTRIBUTES}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def judged(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The classifier's features (n, 128) of images, and its largest probability (n,) for each."""
    with models.evaluating(classifier()):
        features = torch.cat([classifier().features(part) for part in images.split(1000)])
        return features, classifier().last(features).softmax(1).amax(1)


@functools.cache
def real_features(split: str) -> torch.Tensor:
    """The classifier's features of real digits, which every set of samples is compared with."""
    return judged(floats(split)[:SAMPLES])[0]


# --- What is trained -------------------------------------------------------------------------------


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


class Linear(nn.Module):
    """PCA with the two methods that measures need. Codes are scaled to unit variance."""

    def __init__(self, latent_dim: int):
        super().__init__()
        pixels = floats("train").flatten(1).numpy()
        pca = PCA(latent_dim, svd_solver="covariance_eigh", whiten=True).fit(pixels)
        scale = np.sqrt(pca.explained_variance_)[:, None]
        self.mean = nn.Parameter(torch.tensor(pca.mean_).float())
        self.out = nn.Parameter(torch.tensor(pca.components_ * scale).float())
        self.into = nn.Parameter(torch.tensor(pca.components_ / scale).float())

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) - self.mean) @ self.into.T

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return (z @ self.out + self.mean).clamp(0, 1).view(-1, 1, 28, 28)


@functools.cache
def pca(latent_dim: int) -> Linear:
    return Linear(latent_dim)


# --- What is measured ------------------------------------------------------------------------------


def compression(model, run, history) -> dict:
    terms = training.evaluate(model, data("test").images, run.loss)
    mse = metrics.reconstruction_mse(model, data("test").images)
    numbers = {f"test MSE, {run.latent_dim}-D": mse, **{f"test {key}": value for key, value in terms.items()}}
    if run.kind == "vae":
        numbers["active units"] = latent.active_units(metrics.embed(model, data("test").images)).sum().item()
    return numbers


def fall(model, run, history) -> dict:
    """From the first epoch to the last, as a share of the first."""
    return {
        f"fall of the {name} loss": 1 - series["loss"][-1] / series["loss"][0]
        for name, series in (("training", history.train), ("test", history.test))
    }


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


def sharp(model, run, history) -> dict:
    images = floats("test")[:MAPPED]
    seen = metrics.reconstruct(model, images)
    return {
        f"SSIM, {run.latent_dim}-D": metrics.ssim(seen, images),
        f"sharpness, {run.latent_dim}-D": metrics.sharpness(seen, images),
    }


def pairs(
    seed: int, first: int | None = None, second: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Test images to walk between: of two given digits, or of any two different ones."""
    labels, random = data("test").labels, generator(seed)
    if first is None:
        order = torch.randperm(len(labels), generator=random)
        starts, ends = order[: 2 * PAIRS], order[2 * PAIRS : 4 * PAIRS]
        different = (labels[starts] != labels[ends]).nonzero()[:PAIRS, 0]
        return floats("test")[starts[different]], floats("test")[ends[different]]
    chosen = []
    for digit in (first, second):
        of_digit = (labels == digit).nonzero()[:, 0]
        chosen.append(floats("test")[of_digit[torch.randperm(len(of_digit), generator=random)[:PAIRS]]])
    return chosen[0], chosen[1]


def walked(model, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Decoded paths (pairs, frames, 1, 28, 28) between the codes of images."""
    a, b = (metrics.embed(model, x) for x in (starts, ends))
    codes = torch.stack([latent.lerp(u, v, FRAMES) for u, v in zip(a, b, strict=True)])
    with models.evaluating(model):
        return model.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


def blended(starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    t = torch.linspace(0, 1, FRAMES).view(1, -1, 1, 1, 1)
    return (1 - t) * starts[:, None] + t * ends[:, None]


def path_numbers(frames: torch.Tensor, size: int) -> dict:
    length, unevenness = metrics.path_length_and_evenness(frames)
    return {
        f"path length, {size}-D": length.mean().item(),
        f"path unevenness, {size}-D": unevenness.mean().item(),
    }


def paths(model, run, history) -> dict:
    return path_numbers(walked(model, *pairs(run.seed)), run.latent_dim)


def morph_numbers(frames: torch.Tensor) -> dict:
    middle = frames[:, HALF_WAY].flatten(0, 1)
    return {
        "confidence half-way": judged(middle)[1].mean().item(),
        "distance to a real digit half-way": metrics.nearest_real_distance(middle, floats("train"))
        .mean()
        .item(),
    }


def morph(model, run, history) -> dict:
    return morph_numbers(walked(model, *pairs(run.seed, 3, 8)))


def structure(model, run, history) -> dict:
    labels, test_labels = data("train").labels[:CODES], data("test").labels
    codes = metrics.embed(model, data("train").images[:CODES])
    test_codes = metrics.embed(model, data("test").images)
    size = f"{run.latent_dim}-D"
    return {
        f"k-NN, {size}": metrics.knn_accuracy(codes, labels, test_codes, test_labels),
        f"linear probe, {size}": metrics.linear_probe(codes, labels, test_codes, test_labels),
        f"silhouette, {size}": metrics.silhouette(test_codes[:MAPPED], test_labels[:MAPPED]),
        f"k-means, {size}": metrics.cluster_agreement(test_codes, test_labels, seed=run.seed),
    }


def maps(model, run, history) -> dict:
    """Two-dimensional maps of the codes; as control, a projection in two random directions."""
    labels = data("test").labels[:MAPPED]
    codes = metrics.embed(model, data("test").images[:MAPPED])
    directions = torch.linalg.qr(torch.randn(run.latent_dim, 2, generator=generator(run.seed)))[0]
    drawn = {"PCA": torch.tensor(PCA(2).fit_transform(codes.numpy())), "random": codes @ directions}
    for perplexity in PERPLEXITIES if run.kind == "vae" else (30,):
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=run.seed)
        name = "t-SNE" if perplexity == 30 else f"t-SNE, perplexity {perplexity}"
        drawn[name] = torch.tensor(tsne.fit_transform(codes.numpy()))
    numbers = {"neighbourhood hit of the codes": metrics.neighbourhood_hit(codes, labels)}
    for name, places in drawn.items():
        numbers[f"trustworthiness, {name}"] = metrics.trustworthiness(codes, places)
        numbers[f"neighbourhood hit, {name}"] = metrics.neighbourhood_hit(places, labels)
    for measure, name in product(("trustworthiness", "neighbourhood hit"), ("PCA", "t-SNE")):
        numbers[f"{OWN}{measure}, {name}"] = numbers[f"{measure}, random"]
    return numbers


def neighbour_numbers(codes: torch.Tensor, size: int, seed: int) -> dict:
    images, labels = data("test")
    return {
        f"same digit, {size}-D": metrics.neighbourhood_hit(codes, labels),
        f"pixel distance, {size}-D": metrics.neighbour_distance_ratio(codes, images, seed),
    }


def neighbours(model, run, history) -> dict:
    """As control, the same codes, dealt to the images at random."""
    codes = metrics.embed(model, data("test").images)
    dealt = codes[torch.randperm(len(codes), generator=generator(run.seed))]
    chance = neighbour_numbers(dealt, run.latent_dim, run.seed)
    return {
        **neighbour_numbers(codes, run.latent_dim, run.seed),
        **{f"{OWN}{name}": value for name, value in chance.items()},
    }


def samples(model, run, history) -> dict:
    """Decoded draws from N(0, I), and from a Gaussian fitted to the training codes."""
    codes = metrics.embed(model, data("train").images[:CODES])
    normal = torch.randn(SAMPLES, codes.shape[1], generator=generator(run.seed))
    spread = torch.linalg.cholesky(codes.T.cov() + 1e-6 * torch.eye(codes.shape[1]))
    numbers = {}
    for name, z in (("N(0, I)", normal), ("fitted Gaussian", codes.mean(0) + normal @ spread.T)):
        with models.evaluating(model):
            features, confidence = judged(model.decode(z))
        numbers[f"Fréchet distance, {name}"] = metrics.frechet_distance(features, real_features("test"))
        numbers[f"confidence, {name}"] = confidence.mean().item()
    for name, best in (("Fréchet distance", min), ("confidence", max)):
        both = (numbers[f"{name}, N(0, I)"], numbers[f"{name}, fitted Gaussian"])
        numbers[f"{name}, better sampler"] = best(both)
    return numbers


def directions(model, run, history) -> dict:
    """How far an attribute follows its vector's strength; as control, vectors in random directions."""
    random = generator(run.seed)
    known = measured_attributes()
    codes = metrics.embed(model, data("train").images[: CODES // 2])
    chosen = torch.randperm(len(data("test").images), generator=random)[:BASES]
    bases = metrics.embed(model, data("test").images[chosen])
    numbers = {}
    for name, values in known.items():
        vector = latent.attribute_vector(codes, values)
        others = torch.randn(3, len(vector), generator=random)
        others *= vector.norm() / others.norm(dim=1, keepdim=True)
        unit = values[values.isfinite()].std().item()
        r, change = response(model, bases, vector, name)
        chance = [response(model, bases, other, name) for other in others]
        numbers[f"{name}, correlation"], numbers[f"{name}, change"] = r, change / unit
        numbers[f"{OWN}{name}, correlation"] = statistics.fmean(abs(r) for r, _ in chance)
        numbers[f"{OWN}{name}, change"] = statistics.fmean(abs(change) for _, change in chance) / unit
    return numbers


def response(model, bases: torch.Tensor, vector: torch.Tensor, attribute: str) -> tuple[float, float]:
    """How an attribute follows a vector's strength from -1 to 1: Pearson's correlation, and its change.

    Each digit's own mean is taken away first; the change is in the attribute's unit, from end to end.
    """
    codes = bases[:, None] + STRENGTHS[:, None] * vector
    with models.evaluating(model):
        images = model.decode(codes.flatten(0, 1))
    values = getattr(attributes, attribute)(images).view(len(bases), -1)
    values = values[values.isfinite().all(1)]  # a digit that vanishes on the way has no attribute
    change = (values[:, -1] - values[:, 0]).mean().item()
    strengths = STRENGTHS.repeat(len(values))
    centred = (values - values.mean(1, keepdim=True)).flatten()
    return torch.corrcoef(torch.stack([strengths, centred]))[0, 1].item(), change


def controls(model, run, history) -> dict:
    """What the claims are held against, as far as it needs no autoencoder."""
    torch.manual_seed(run.seed)
    untrained, twice = models.VariationalAutoencoder(run.latent_dim), training.History()
    for seed, (series, split) in product((0, 1), ((twice.train, "train"), (twice.test, "test"))):
        terms = training.evaluate(untrained, data(split).images[:CODES], seed=seed)
        series.setdefault("loss", []).append(terms["loss"])
    numbers = fall(None, run, twice)
    errors = metrics.pca_mse(data("train").images, data("test").images, claims.SIZES)
    numbers |= {f"test MSE, {size}-D": error for size, error in errors.items()}
    for size in (2, 16):
        numbers |= structure(pca(size), Run("control", size, run.seed), None)
    numbers |= sharp(pca(16), run, None) | samples(pca(16), run, None)
    numbers |= path_numbers(blended(*pairs(run.seed)), 16)
    numbers |= morph_numbers(blended(*pairs(run.seed, 3, 8)))
    real = torch.cat(pairs(run.seed, 3, 8))
    numbers["confidence, real digits"] = judged(real)[1].mean().item()
    distances = metrics.nearest_real_distance(real, floats("train"))
    numbers["distance to a real digit, real digits"] = distances.mean().item()
    numbers["Fréchet distance, real digits"] = metrics.frechet_distance(
        *map(real_features, ("train", "test"))
    )
    return numbers


# --- Bookkeeping -----------------------------------------------------------------------------------


def perform(run: Run) -> dict:
    """Train and measure one run."""
    start = time.perf_counter()
    result: dict = {"settings": {key: value for key, value in asdict(run).items() if key != "groups"}}
    if run.kind == "control":
        numbers = controls(None, run, None)
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
                numbers |= globals()[group](model, run, history)
    result["numbers"] = {name: rounded(value) for name, value in numbers.items()}
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def measured(runs: dict[str, dict]) -> dict[str, dict[str, list[float]]]:
    """What the claims are judged by: each metric's numbers in the seeds' order, of models and controls."""
    result: dict = {"ae": {}, "vae": {}, "control": {}, "ae control": {}, "vae control": {}}
    wanted = {part.metric for claim in claims.CLAIMS.values() for part in claim.parts}
    for run in matrix():  # in which seeds rise
        if run.beta != 1 or run.reconstruction != "bernoulli":
            continue  # beside the claims
        for name, value in runs[run.name]["numbers"].items():
            own = name.startswith(OWN)
            metric = name.removeprefix(OWN)
            if metric in wanted:
                result[f"{run.kind} control" if own else run.kind].setdefault(metric, []).append(value)
    return result


def save(results: dict) -> None:
    part = RESULTS.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(part, RESULTS)


def plan(runs: list[Run], done: dict) -> str:
    """The matrix, a line for each kind of run."""
    finished = Counter(run.recipe for run in runs if run.name in done)
    kinds = Counter(run.recipe for run in runs)
    groups = {run.recipe: ", ".join(run.groups) for run in runs}
    lines = [
        f"{name:24} {finished[name]} of {count} seeds done   {groups[name]}" for name, count in kinds.items()
    ]
    return "\n".join(lines)


def main() -> int:
    arguments = sys.argv[1:]
    if unknown := [text for text in arguments if text != "--fresh"]:
        print(f"claims knows no {', '.join(unknown)}; there is only --fresh")
        return 2
    made_by = versions()
    results = {"versions": made_by, "runs": {}}
    if RESULTS.is_file() and "--fresh" not in arguments:
        results = json.loads(RESULTS.read_text("utf-8"))
        if results["versions"] != made_by and len(results["runs"]) < len(matrix()):
            print(
                f"{RESULTS.name} was begun with other versions ({results['versions']}), and numbers of two "
                "don't mix: start again with 'python course.py claims --fresh'"
            )
            return 2
    runs = matrix()
    todo = [run for run in runs if run.name not in results["runs"]]
    print(plan(runs, results["runs"]), flush=True)
    bar = tqdm(todo, unit="run")
    for run in bar:
        bar.set_postfix_str(run.name)
        results["runs"][run.name] = perform(run)
        save(results)
    results["measured"] = measured(results["runs"])
    save(results)
    ledger = claims.table(list(claims.CLAIMS), results["measured"])
    quote(ledger, name="claims")
    print(ledger)
    return 0


if __name__ == "__main__":
    sys.exit(main())
