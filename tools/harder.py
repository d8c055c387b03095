"""Train and measure what notebook 09 rests on, and write results/harder.json.

    python course.py harder [GROUP …] [--fresh] [--images FOLDER]     a quarter of an hour on one core

Four groups: `known` (what the measures say of real images, blurred ones, and of PNG), `colour` (the same
networks on colour images and on grey ones), `likelihoods` (one network under several losses, and the controls
of "why the VAE blurs"), `claims` (the first five lessons' claims, by the ledger's rules, on CIFAR-10).
torchvision fetches CIFAR-10; `--images` takes a folder of images instead, train|test/CLASS/NAME, and the
results say so. Each run is written as soon as it is done, and the next call goes on after it. One thread, so
that seconds are the processor's.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from latentlab_helpers import (
    datasets,
    latent,
    likelihoods,
    losses,
    metrics,
    models,
    objectives,
    shapes,
    training,
)
from latentlab_helpers.files import write_whole
from tools.claims import measures, rules
from tools.claims import samples as sampled
from tools.claims.data import Judge
from tools.experiments import Experiment, carry_out

RESULTS = Path(__file__).resolve().parent.parent / "results" / "harder.json"
SEEDS = (0, 1, 2)
# Of each set: how many images train a model, and how many measure it
SIZES = {"shapes": (10_000, 2_000), "fashion": (10_000, 2_000), "cifar10": (10_000, 2_000)}
EPOCHS = {"shapes": 5, "fashion": 10, "cifar10": 5}
LR = 2e-3
FEW = 500  # images of which SSIM is taken
BANDS = 4  # pixels: what is smoother than squares of this side, and the detail in them
GAINS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)  # steps of a quantized code, in its standard deviations
CLAIMS = (16, 2, 64)  # latent sizes, of which the first has most measures
_given: list[Path] = []  # the folder of --images


@dataclass(frozen=True)
class Run(Experiment):
    """One training."""

    data: str = "shapes"
    kind: str = "vae"  # vae, ae, control
    likelihood: str = "logistic"
    beta: float = 1.0
    latent_dim: int = 32
    widths: tuple[int, ...] = (400,)
    epochs: int = 0
    grey: bool = False


def run(group: str, label: str, seed: int, data: str, times: int = 1, **settings: Any) -> Run:
    return Run(group, label, seed, data, epochs=times * EPOCHS[data], **settings)


def matrix() -> list[Run]:
    """Every run, the most wanted ones first."""
    runs = []
    for seed in SEEDS:
        for size in CLAIMS:
            for kind in ("ae", "vae"):
                settings = {"kind": kind, "likelihood": "bernoulli", "latent_dim": size}
                runs.append(run("claims", f"{kind.upper()}, {size}-D", seed, "cifar10", **settings))
        runs += colour("cifar10", seed)
    for seed in SEEDS:
        for label, settings in (LOSSES | PERCEPTUAL).items():
            runs.append(run("likelihoods", f"fashion, {label}", seed, "fashion", **settings))
        for label, settings in (LOSSES | CONTROLS).items():
            runs.append(run("likelihoods", f"shapes, {label}", seed, "shapes", **settings))
        runs += colour("shapes", seed)
        if seed == SEEDS[0]:
            runs += [Run("known", data, seed, data, "control") for data in ("fashion", "shapes")]
    return runs


def colour(data: str, seed: int) -> list[Run]:
    """The same networks on grey images and on colour."""
    runs = []
    for kind, likelihood in (("vae", "logistic"), ("ae", "mse")):
        for name, grey in (("grey", True), ("colour", False)):
            settings = {"kind": kind, "likelihood": likelihood, "grey": grey}
            runs.append(run("colour", f"{data}, {kind.upper()}, {name}", seed, data, **settings))
    return runs


LOSSES: dict[str, dict[str, Any]] = {
    "AE": {"kind": "ae", "likelihood": "mse"},
    "Bernoulli": {"likelihood": "bernoulli"},
    "Gaussian, sigma 0.1": {"likelihood": "fixed"},
    "Gaussian, learned": {"likelihood": "gaussian"},
    "discretized logistic": {"likelihood": "logistic"},
    "Gaussian, learned, beta 4": {"likelihood": "gaussian", "beta": 4.0},
    "Gaussian, learned, beta 0.25": {"likelihood": "gaussian", "beta": 0.25},
}
PERCEPTUAL: dict[str, dict[str, Any]] = {
    "perceptual": {"likelihood": "perceptual"},
    "perceptual, untrained features": {"likelihood": "untrained"},
}
CONTROLS: dict[str, dict[str, Any]] = {
    "Gaussian, learned, 128-D": {"likelihood": "gaussian", "latent_dim": 128},
    "Gaussian, learned, three times the epochs": {"likelihood": "gaussian", "times": 3},
    "Gaussian, learned, twice the width": {"likelihood": "gaussian", "widths": (800,)},
    "AE, 128-D": {"kind": "ae", "likelihood": "mse", "latent_dim": 128},
    "AE, 8-D": {"kind": "ae", "likelihood": "mse", "latent_dim": 8},
}


# --- data and judges ---------------------------------------------------------------------------------


@functools.cache
def images(name: str, split: str) -> datasets.ImageSet:
    """A whole data set, CIFAR-10 perhaps from a folder."""
    if name == "cifar10" and _given:
        return from_folder(_given[0] / split)
    return datasets.load(name, split)


def from_folder(folder: Path) -> datasets.ImageSet:
    """Images of folders called as their classes: the first of each class, then the second of each, …"""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    files = [(i, label, path) for label, name in enumerate(classes)
             for i, path in enumerate(sorted((folder / name).iterdir()))]  # fmt: skip
    if not files:
        raise datasets.DataError(f"{folder} has no images in folders called as their classes")
    files.sort(key=lambda file: file[:2])
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for _, _, path in files])
    labels = torch.tensor([label for _, label, _ in files])
    return datasets.ImageSet(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels, tuple(classes)
    )


def greyed(x: torch.Tensor) -> torch.Tensor:
    """The mean of the channels, in whole grey levels."""
    return x.float().mean(1, keepdim=True).round().byte()


def data(run: Run, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The images, uint8, and labels that a run sees."""
    n = SIZES[run.data][split == "test"]
    found = images(run.data, split)
    return greyed(found.images[:n]) if run.grey else found.images[:n], found.labels[:n]


class Strided(nn.Module):
    """A classifier of another kind than `models.Classifier`: strides in place of pooling."""

    def __init__(self, *, classes: int, image_shape: tuple[int, ...]):
        super().__init__()
        channels, height, width = image_shape
        self.features = nn.Sequential(
            nn.Conv2d(channels, 24, 4, 2, 1), nn.ReLU(), nn.Conv2d(24, 48, 4, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.25), nn.Linear(48 * height * width // 16, 128), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Sequential(nn.Dropout(0.25), nn.Linear(128, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.features(x)).float()


@functools.cache
def judge(name: str, letter: str) -> Judge:
    """Judges A and B know the second half of the training images, or those of CIFAR-10 that no model sees.

    "features" knows the first half: it is what the perceptual loss sees with, and judges nothing.
    """
    train, shape = images(name, "train"), tuple(images(name, "train").images.shape[1:])
    half = SIZES[name][0] if name == "cifar10" else len(train.images) // 2
    mine = slice(0, half) if letter == "features" else slice(half, None)
    torch.manual_seed({"A": 0, "B": 1, "features": 2}[letter])
    kind = Strided if letter == "B" else models.Classifier
    model = kind(classes=len(train.classes), image_shape=shape)
    x, y = train.images[mine][:10_000], train.labels[mine][:10_000]
    training.fit(model, x, labels=y, loss=losses.classification_loss, epochs=4, lr=2e-3, progress=False)
    return Judge(model)


@functools.cache
def known(name: str, letter: str) -> torch.Tensor:
    """A judge's features of the test images."""
    return judge(name, letter)(datasets.to_float(images(name, "test").images[: SIZES[name][1]])).features


# --- training ----------------------------------------------------------------------------------------


def made(run: Run) -> tuple[models.Autoencoder, training.Loss]:
    """An untrained model, and its loss."""
    torch.manual_seed(run.seed)
    shape = tuple(data(run, "test")[0].shape[1:])
    kind = models.VariationalAutoencoder if run.kind == "vae" else models.Autoencoder
    model = kind(run.latent_dim, widths=run.widths, image_shape=shape)
    reconstruction = model.pixels = likelihood(run)
    if run.kind == "ae":
        return model, functools.partial(losses.autoencoder_loss, reconstruction=reconstruction)

    def loss(model: nn.Module, x: torch.Tensor, generator: torch.Generator | None = None) -> losses.Terms:
        if run.likelihood in ("gaussian", "fixed"):
            x = likelihoods.dequantized(x, generator)
        return losses.negative_elbo(model, x, generator, beta=run.beta, reconstruction=reconstruction)

    return model, loss


def likelihood(run: Run) -> Callable:
    if run.likelihood == "logistic":
        return likelihoods.DiscretizedLogistic()
    if run.likelihood in ("gaussian", "fixed"):
        return objectives.GaussianPixels(sigma=0.1, learned=run.likelihood == "gaussian")
    if run.likelihood in ("perceptual", "untrained"):
        some = images(run.data, "train").images[:1000]
        torch.manual_seed(100 + run.seed)
        classifier = models.Classifier(classes=10, image_shape=tuple(some.shape[1:]))
        if run.likelihood == "perceptual":
            classifier = judge(run.data, "features").model
        torch.manual_seed(run.seed)
        return likelihoods.PerceptualDistance(classifier, some, weight=WEIGHT)
    return getattr(losses, run.likelihood)


WEIGHT = 1.0


def perform(run: Run) -> dict[str, Any]:
    """Train, and measure what the run's group needs."""
    if run.group == "known":
        start = time.process_time()
        return {**of_the_known(run), "seconds": time.process_time() - start}
    model, loss = made(run)
    (train, _), (test, _) = data(run, "train"), data(run, "test")
    start = time.process_time()
    history = training.fit(
        model, train, epochs=run.epochs, loss=loss, lr=LR, seed=run.seed, progress=False,
        test_images=test if run.group == "claims" else None,
    )  # fmt: skip
    numbers = {"seconds": time.process_time() - start}
    if run.group == "claims":
        return numbers | claims(model, run, history)
    numbers |= cost(model, run, loss, test) | errors(model, run)
    if run.group == "colour":
        return numbers | kept(model, run)
    return numbers | looks(model, run)


# --- measures ----------------------------------------------------------------------------------------


def cost(model: models.Autoencoder, run: Run, loss: training.Loss, test: torch.Tensor) -> dict[str, Any]:
    """The terms of the loss; bits per dimension where it is the ELBO of a probability of grey levels."""
    terms = training.evaluate(model, test, loss)
    if run.kind == "ae":
        return {"test loss": terms["loss"]}
    numbers = {"kl": terms["kl"], "reconstruction": terms["reconstruction"]}
    if run.likelihood in ("logistic", "gaussian", "fixed"):
        nats, density = terms["kl"] + terms["reconstruction"], run.likelihood != "logistic"
        numbers["bits per dimension"] = likelihoods.bits_per_dimension(nats, test[0].numel(), density=density)
        spread = model.pixels.sigma if density else model.pixels.scale
        numbers["sigma" if density else "scale"] = spread.mean().item()
    codes = metrics.embed(model, test)
    return numbers | {"active units": latent.active_units(codes).sum().item()}


def bands(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What is smooth in images, and the detail that is left."""
    smooth = F.interpolate(F.avg_pool2d(x, BANDS), scale_factor=BANDS)
    return smooth, x - smooth


def explained(seen: torch.Tensor, x: torch.Tensor) -> float:
    """The share of the variance over images that reconstructions have: 1 is all, the mean image has none."""
    return 1 - ((seen - x).square().mean() / (x - x.mean(0)).square().mean()).item()


def errors(model: models.Autoencoder, run: Run) -> dict[str, float]:
    """Of reconstructions: errors, and the shares of variance explained: smooth and detail, light and hue."""
    (train, _), (test, _) = data(run, "train"), data(run, "test")
    x, seen = datasets.to_float(test), metrics.reconstruct(model, test)
    parts = {f"explained, {name}": pair for name, pair in
             zip(("smooth", "detail"), zip(bands(seen), bands(x), strict=True), strict=True)}  # fmt: skip
    if len(x[0]) == 3:
        light, real = seen.mean(1, keepdim=True), x.mean(1, keepdim=True)
        parts |= {"explained, light": (light, real), "explained, hue": (seen - light, x - real)}
    return {
        "mse": (seen - x).square().mean().item(),
        "train mse": metrics.reconstruction_mse(model, train[: len(test)]),
        "explained": explained(seen, x),
        **{name: explained(*pair) for name, pair in parts.items()},
    }


def kept(model: models.Autoencoder, run: Run) -> dict[str, float]:
    """What codes say: of the class, and of the factors that shapes were drawn from."""
    (train, y), (test, test_y) = data(run, "train"), data(run, "test")
    codes, test_codes = metrics.embed(model, train[:5000]), metrics.embed(model, test)
    numbers = {
        "k-NN": metrics.knn_accuracy(codes, y[:5000], test_codes, test_y),
        "linear probe": measures.linear_probe(codes, y[:5000], test_codes, test_y),
    }
    if run.data == "shapes":
        of = [shapes.draw(*split).factors for split in shapes.SPLITS.values()]
        for name in ("across", "down", "radius", "ground colour", "shape colour"):
            probe = make_pipeline(StandardScaler(), Ridge(1.0))
            probe.fit(codes.numpy(), of[0][name][: len(codes)].numpy())
            numbers[f"R², {name}"] = float(probe.score(test_codes.numpy(), of[1][name].numpy()))
    return numbers


def looks(model: models.Autoencoder, run: Run) -> dict[str, Any]:
    """Of reconstructions and samples: sharpness, SSIM, what judges say; of shapes, what texture is left."""
    test, labels = data(run, "test")
    x, seen = datasets.to_float(test), metrics.reconstruct(model, test)
    numbers: dict[str, Any] = {
        "ssim": metrics.ssim(seen[:FEW], x[:FEW]),
        "sharpness": metrics.sharpness(seen, x),
    }
    random = torch.Generator().manual_seed(run.seed)
    made = {"reconstructions": seen}
    if run.kind == "vae":
        with models.evaluating(model):
            mu, logvar = model.encode(x)
            of_sample = torch.sigmoid(model.decoder(model.reparameterize(mu, logvar, random)))
            made["N(0, I)"] = model.decode(torch.randn(len(x), run.latent_dim, generator=random))
        numbers["mse, z in place of mu"] = (of_sample - x).square().mean().item()
        numbers["sharpness, z in place of mu"] = metrics.sharpness(of_sample, x)
        numbers["sharpness, N(0, I)"] = metrics.sharpness(made["N(0, I)"], x)
    for (name, shown), letter in ((pair, letter) for pair in made.items() for letter in rules.JUDGES):
        said = judge(run.data, letter)(shown)
        numbers[f"Fréchet distance {letter}, {name}"] = sampled.frechet_distance(
            said.features, known(run.data, letter)
        )
        numbers[f"confidence {letter}, {name}"] = said.confidence.mean().item()
        if name == "reconstructions":
            numbers[f"read as its class {letter}"] = (said.classes == labels).float().mean().item()
    if run.data == "shapes":
        numbers["contrast by width"] = contrast(seen)
    if run.kind == "ae" and run.data == "shapes":
        numbers["quantized"] = [quantized(model, x, gain) for gain in GAINS]
    return numbers


def contrast(seen: torch.Tensor) -> list[float]:
    """The share of the ground texture's contrast that reconstructions have, by the width of its stripes."""
    drawn = shapes.draw(*shapes.SPLITS["test"])
    pattern, free = shapes.ground(drawn)
    light = seen.mean(1, keepdim=True) * 255 / shapes.CONTRAST
    count = free.sum((1, 2, 3), keepdim=True)
    centred = torch.where(free, pattern - (pattern * free).sum((1, 2, 3), keepdim=True) / count, 0)
    share = (light * centred).sum((1, 2, 3)) / centred.square().sum((1, 2, 3)).clamp(min=1e-9)
    textured, width = drawn.factors["ground texture"] > 0, drawn.factors["ground width"]
    return [share[textured & (width == w)].mean().item() for w in (1, 2, 3, 4)]


def quantized(model: models.Autoencoder, x: torch.Tensor, gain: float) -> dict[str, float]:
    """A code in steps: how many nats it takes, each dimension by itself, and what is left of the images.

    Steps are as wide as `gain` standard deviations. The entropy is that of the test codes' own histograms.
    """
    codes = metrics.embed(model, x)
    step = gain * codes.std(0)
    levels = (codes / step).round()
    nats = 0.0
    for column in levels.T:
        shares = column.unique(return_counts=True)[1] / len(levels)
        nats -= (shares * shares.log()).sum().item()
    with models.evaluating(model):
        seen = model.decode(levels * step)
    smooth, detail = (explained(*pair) for pair in zip(bands(seen), bands(x), strict=True))
    return {
        "nats": nats,
        "mse": (seen - x).square().mean().item(),
        "explained, smooth": smooth,
        "explained, detail": detail,
        "sharpness": metrics.sharpness(seen, x),
    }


def png_bits(x: torch.Tensor) -> float:
    """Bits per dimension of the images as PNG files, one each."""
    size = 0
    for image in x.permute(0, 2, 3, 1).squeeze(-1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG", optimize=True)
        size += len(file.getvalue())
    return 8 * size / x.numel()


def of_the_known(run: Run) -> dict[str, Any]:
    """What the measures say of real images, and of real images blurred."""
    (train, _), (test, labels) = data(run, "train"), data(run, "test")
    x = datasets.to_float(test)
    fresh = datasets.to_float(train[: len(test)])  # which neither judge has seen
    numbers: dict[str, Any] = {"png bits per dimension": png_bits(test[:FEW])}
    for letter in rules.JUDGES:
        said = judge(run.data, letter)(x)
        numbers[f"accuracy {letter}"] = (said.classes == labels).float().mean().item()
        numbers[f"Fréchet distance {letter}, real"] = sampled.frechet_distance(
            judge(run.data, letter)(fresh).features, known(run.data, letter)
        )
    for sigma in (0.5, 1.0, 2.0):
        soft = sampled.blurred(x, sigma)
        numbers[f"sharpness, blurred by {sigma:g}"] = metrics.sharpness(soft, x)
        numbers[f"ssim, blurred by {sigma:g}"] = metrics.ssim(soft[:FEW], x[:FEW])
        for letter in rules.JUDGES:
            numbers[f"Fréchet distance {letter}, blurred by {sigma:g}"] = sampled.frechet_distance(
                judge(run.data, letter)(soft).features, known(run.data, letter)
            )
    return numbers


# --- the claims --------------------------------------------------------------------------------------


def claims(model: models.Autoencoder, run: Run, history: training.History) -> dict[str, float]:
    """The ledger's metrics, by the ledger's names, as far as CIFAR-10 has them.

    Left out are the times to errors that were fixed for MNIST, t-SNE's maps, a 3's way into an 8, mixtures as
    samplers, a second judge, and handwriting.
    """
    (train, y), (test, test_y) = data(run, "train"), data(run, "test")
    x, size = datasets.to_float(test), run.latent_dim
    codes, test_codes = metrics.embed(model, train[:10_000]), metrics.embed(model, test)
    numbers = {f"test MSE, {size}-D": metrics.reconstruction_mse(model, test)}
    if size != 64:
        numbers |= measures.structure_numbers(codes, y[:10_000], test_codes, test_y, size, run.seed)
        numbers |= neighbours(test_codes, x, test_y, run)
    if size != 16:
        return numbers
    seen = metrics.reconstruct(model, test)
    numbers |= {
        f"SSIM, {size}-D": metrics.ssim(seen[:FEW], x[:FEW]),
        f"sharpness, {size}-D": metrics.sharpness(seen, x),
    }
    numbers |= measures.fall(None, run, history) | untrained(run)
    starts, ends = pairs(x, test_y, run.seed)
    frames, blends = measures.walked(model, starts, ends), measures.blended(starts, ends)
    numbers |= (
        measures.path_numbers(frames, size)
        | morph(frames)
        | {f"{measures.OWN}{name}": value for name, value in morph(blends).items()}
    )
    for sampler in rules.SAMPLERS[:2]:
        z = sampled.drawn(codes, sampler, run.seed)
        with models.evaluating(model):
            drawn = model.decode(z[: len(x)])
        said, real = judge(run.data, "A")(drawn), judge(run.data, "A")(x)
        name = f"Fréchet distance A, {sampler}"
        numbers[name] = sampled.frechet_distance(said.features, real.features)
        if sampler == "one Gaussian":
            numbers |= sampled.precise(said, real, sampler)
    return numbers


def neighbours(codes: torch.Tensor, x: torch.Tensor, labels: torch.Tensor, run: Run) -> dict[str, float]:
    """As a control, the same codes, dealt to the images at random."""
    dealt = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(run.seed))]
    numbers = {}
    for before, places in (("", codes), (measures.OWN, dealt)):
        numbers[f"{before}same class, {run.latent_dim}-D"] = metrics.neighbourhood_hit(places, labels)
        ratio = metrics.neighbour_distance_ratio(places, x, run.seed)
        numbers[f"{before}pixel distance, {run.latent_dim}-D"] = ratio
    return numbers


def untrained(run: Run) -> dict[str, float]:
    """The fall of a loss that nothing brings down: the same network untrained, measured twice."""
    model, loss = made(run)
    twice = training.History()
    for seed in (0, 1):
        for series, split in ((twice.train, "train"), (twice.test, "test")):
            terms = training.evaluate(model, data(run, split)[0][:5000], loss, seed=seed)
            series.setdefault("loss", []).append(terms["loss"])
    return {f"{measures.OWN}{name}": value for name, value in measures.fall(None, run, twice).items()}


def pairs(x: torch.Tensor, labels: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Test images of different classes, to walk between."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    starts, ends = order[: 2 * measures.PAIRS], order[2 * measures.PAIRS : 4 * measures.PAIRS]
    different = (labels[starts] != labels[ends]).nonzero()[: measures.PAIRS, 0]
    return x[starts[different]], x[ends[different]]


def morph(frames: torch.Tensor) -> dict[str, float]:
    sure = judge("cifar10", "A")(frames.flatten(0, 1)).confidence.view(frames.shape[:2])
    middle, ends = sure[:, measures.HALF_WAY].mean().item(), sure[:, [0, -1]].mean().item()
    return {
        "confidence of judge A half-way, any classes": middle,
        "sag of judge A's confidence, any classes": ends - middle,
    }


def measured(runs: dict[str, dict]) -> dict[str, dict[str, list[float]]]:
    """The claims' numbers in the seeds' order, as `claims.rules` takes them; only seeds that are complete."""
    mine = [one for one in runs.values() if one["settings"]["group"] == "claims"]
    seeds = [s for s in SEEDS if sum(one["settings"]["seed"] == s for one in mine) == 2 * len(CLAIMS)]
    result: dict = {"ae": {}, "vae": {}, "control": {}, "ae control": {}, "vae control": {}}
    for seed in seeds:
        for one in (one for one in mine if one["settings"]["seed"] == seed):
            for name, value in one["numbers"].items():
                who = one["settings"]["kind"] + " control" * name.startswith(measures.OWN)
                result[who].setdefault(name.removeprefix(measures.OWN), []).append(value)
    return result


def verdicts(runs: dict[str, dict]) -> list[dict[str, Any]]:
    """The ledger's rules on CIFAR-10: each claim's verdict, and which of its parts were tried and hold."""
    numbers = measured(runs)
    holds = rules.holding(numbers)
    found = []
    for n, claim in rules.CLAIMS.items():
        parts = [
            {
                "metric": part.metric, "rule": part.rule, "holds": holds[n, part],
                "interval": part.interval(numbers), "agreeing": part.agreeing(numbers),
                "opposing": part.opposing(numbers), "seeds": len(part.differences(numbers)),
            }
            for part in claim.parts if holds[n, part] is not None
        ]  # fmt: skip
        tried = [holds[n, part] for part in claim.parts]
        said = rules.verdict(tried) if parts else "not tried"
        found.append({"number": n, "text": claim.text, "verdict": said, "of": len(tried), "parts": parts})
    return found


def judge_claims() -> None:
    """Add the verdicts to the file: they rest on all seeds, so they come last."""
    whole = json.loads(RESULTS.read_text("utf-8"))
    wanted = {run.name for run in matrix() if run.group == "claims"}
    if not wanted <= whole["runs"].keys():
        return
    whole["verdicts"] = verdicts(whole["runs"])
    write_whole(RESULTS, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--images", type=Path)
    asked, sys.argv[1:] = parser.parse_known_args()
    _given[:] = [asked.images] if asked.images else []
    source = "a folder of images" if _given else "torchvision"
    done = carry_out(matrix(), perform, RESULTS, "notebook 09", cifar10=source)
    judge_claims()
    return done


if __name__ == "__main__":
    raise SystemExit(main())
