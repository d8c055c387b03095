"""Train and measure what notebook 07 shows, with more seeds, sizes and shares of labels than it has time for.

    python course.py conditional [GROUP …] [--fresh]     35 minutes on one core; results/conditional.json

Three groups: `codes` (who is told the class, and what the code still says of it; a digit's code decoded as
another class), `missing` (half, a hundredth, or none of the labels) and `generators` (what the one judge says
of samples). Each run is written as soon as it is done, and the next call goes on after it.
"""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from latentlab_helpers import attributes, checkpoints, datasets, losses, metrics, models, training
from latentlab_helpers.conditional import UNKNOWN, ConditionalVariationalAutoencoder, conditional_elbo
from tools import judging
from tools.claims.measures import linear_probe
from tools.experiments import Experiment, carry_out

RESULTS = Path(__file__).resolve().parent.parent / "results" / "conditional.json"
SEEDS, GENERATOR_SEEDS = (0, 1, 2), (0, 1, 2, 3, 4)
NEIGHBOURS = 10_000  # training images whose codes are neighbours, or fit a probe
PROBED = 5_000  # test images that are asked
TRANSFERRED = 1_000  # test digits whose style is carried over
DRAWN = 2_000  # samples that are asked for a class
CLASSES = 10
# Who is told the class: nobody (the plain VAE), encoder and decoder, or both of them a class picked at random
TOLD = ("plain", "told", "told at random")
CODES_EPOCHS = 3
# The other codes: told to the decoder alone, dearer, and in one dimension more
OTHERS: dict[str, dict[str, Any]] = {
    "16-D, decoder alone": {"model": "decoder alone"},
    "16-D, decoder alone, beta 4": {"model": "decoder alone", "beta": 4.0},
    "16-D, told, beta 4": {"beta": 4.0},
    "3-D, plain": {"latent_dim": 3, "model": "plain"},
}
# The share of labels that are kept, and what is learned from the rest
MISSING: dict[str, dict[str, Any]] = {
    "all labels": {"labelled": 1.0},
    "half of the labels": {"labelled": 0.5},
    "1 % of the labels": {"labelled": 0.01},
    "no labels": {"labelled": 0.0},
    "1 %, labelled images alone": {"labelled": 0.01, "unlabelled": False},
    "1 %, classifier alone": {"labelled": 0.01, "unlabelled": False, "model": "classifier"},
    "1 %, classifier alone, labels seen as seldom": {"labelled": 0.01, "model": "classifier"},
    "half, classifier alone": {"labelled": 0.5, "unlabelled": False, "model": "classifier"},
    "all, classifier alone": {"labelled": 1.0, "unlabelled": False, "model": "classifier"},
    "no labels, plain VAE": {"labelled": 0.0, "model": "plain"},
}
MISSING_EPOCHS, MISSING_SEEDS = 2, (0, 1)
GENERATOR_EPOCHS = 30  # of 600 steps: by them the budget of judging.BUDGET is kept


@dataclass(frozen=True)
class Run(Experiment):
    """One training; an epoch is 600 steps of 100 images, however many images there are."""

    latent_dim: int = 16
    model: str = "told"
    labelled: float = 1.0
    unlabelled: bool = True
    epochs: int = 5
    beta: float = 1.0


def matrix() -> list[Run]:
    """Every run, the most wanted ones first: seed 0 of everything."""
    runs = []
    for seed in GENERATOR_SEEDS:
        runs.append(Run("generators", "conditional VAE", seed, epochs=GENERATOR_EPOCHS))
        if seed in SEEDS:
            for size in (16, 2, 10):
                runs += [
                    Run("codes", f"{size}-D, {kind}", seed, size, kind, epochs=CODES_EPOCHS) for kind in TOLD
                ]
            runs += [Run("codes", label, seed, epochs=CODES_EPOCHS, **kind) for label, kind in OTHERS.items()]
        if seed in MISSING_SEEDS:
            runs += [
                Run("missing", label, seed, epochs=MISSING_EPOCHS, **kind) for label, kind in MISSING.items()
            ]
    return runs


def perform(run: Run) -> dict[str, Any]:
    """Train, and measure what the run's group needs."""
    train, test = (datasets.load("mnist", split) for split in ("train", "test"))
    start = time.process_time()
    model = trained(run, train)
    seconds = time.process_time() - start
    measures = {"codes": [clusters], "missing": [missing], "generators": [generators]}[run.group]
    large = run.latent_dim == 16 and run.model != "told at random"
    if run.group == "codes" and (large or run.model == "told"):
        measures.append(style)
    numbers = {"seconds": seconds}
    for measure in measures:
        numbers |= measure(model, run, train, test)
    return numbers


def trained(run: Run, train: datasets.ImageSet) -> Any:
    """A model of the run's kind; with few images, as many steps as with all of them."""
    known = kept(train.labels, run.labelled, run.seed)
    images, labels = train.images, at_random(known, run.seed) if run.model == "told at random" else known
    loss: training.Loss = functools.partial(conditional_elbo, alpha=weight(run), beta=run.beta)
    if not run.unlabelled:
        images, labels = images[known != UNKNOWN], known[known != UNKNOWN]
    torch.manual_seed(run.seed)
    if run.model == "plain":
        model: Any = models.VariationalAutoencoder(run.latent_dim)
        loss = without_labels
    else:
        kind = DecoderAlone if run.model == "decoder alone" else ConditionalVariationalAutoencoder
        model = kind(run.latent_dim, classes=CLASSES)
        if run.model == "classifier":
            loss = functools.partial(labels_alone, alpha=weight(run)) if run.unlabelled else classifier_alone
    epochs = run.epochs * len(train.images) // len(images)
    training.fit(model, images, labels=labels, loss=loss, epochs=epochs, seed=run.seed, progress=False)
    return model


class DecoderAlone(ConditionalVariationalAutoencoder):
    """The same networks, of which the encoder is told nothing: zeros stand where the label would."""

    def encode(self, x, labels=None):
        at = next(i for i, layer in enumerate(self.encoder) if isinstance(layer, nn.Linear))
        seen = self.encoder[:at](x)
        nothing = seen.new_zeros(len(x), self.classes)
        mu, logvar = self.encoder[at:](torch.cat([seen, nothing], dim=1)).float().chunk(2, dim=1)
        return mu, logvar


def without_labels(model, x, generator=None, labels=None):
    """The negative ELBO of a plain VAE, as `fit` calls a loss with labels."""
    return losses.negative_elbo(model, x, generator)


def classifier_alone(model, x, generator=None, labels=None):
    """The cross-entropy of a conditional VAE's classifier: no image is explained, only named."""
    return losses.classification_loss(model.classifier, x, generator, labels)


def labels_alone(model, x, generator=None, labels=None, *, alpha):
    """What `conditional_elbo` has for the classifier, and no more: images without a label teach nothing."""
    wrong = nn.functional.cross_entropy(model.classifier(x), labels, ignore_index=UNKNOWN, reduction="sum")
    return {"loss": alpha * wrong / len(x)}


def at_random(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """The same labels, dealt out at random."""
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


def kept(labels: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """The labels, of which a share is kept in each class; the others are UNKNOWN."""
    generator, known = torch.Generator().manual_seed(seed), torch.full_like(labels, UNKNOWN)
    for label in range(CLASSES):
        own = (labels == label).nonzero()[:, 0]
        own = own[torch.randperm(len(own), generator=generator)][: round(share * len(own))]
        known[own] = label
    return known


def weight(run: Run) -> float:
    """alpha, so that the mean cross-entropy of the images with a label weighs 10 nats a nat in every run."""
    share = run.labelled if run.unlabelled else 1.0
    return 10 / share if share else 0.0


def placed(model: Any, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """mu of images, the encoder told what it was told in training."""
    if not isinstance(model, ConditionalVariationalAutoencoder):
        return metrics.embed(model, images)
    with models.evaluating(model):
        pairs = zip(images.split(1000), labels.split(1000), strict=True)
        return torch.cat([model.encode(datasets.to_float(x), y)[0] for x, y in pairs])


def clusters(model: Any, run: Run, train: datasets.ImageSet, test: datasets.ImageSet) -> dict[str, Any]:
    """How well a code tells its class, and what the code costs."""
    random = run.model == "told at random"
    told, asked = (at_random(part.labels, run.seed) if random else part.labels for part in (train, test))
    place = (
        placed(model, train.images[:NEIGHBOURS], told[:NEIGHBOURS]), train.labels[:NEIGHBOURS],
        placed(model, test.images[:PROBED], asked[:PROBED]), test.labels[:PROBED],
    )  # fmt: skip
    terms = training.evaluate(
        model, test.images, without_labels if run.model == "plain" else conditional_elbo, labels=asked
    )
    return {
        "k-NN": metrics.knn_accuracy(*place),
        "linear probe": linear_probe(*place),
        "reconstruction": terms["reconstruction"],
        "kl": terms["kl"],
        "bound": terms["reconstruction"] + terms["kl"],  # on -log p(x), or -log p(x|y) if it is told
    }


def style(model: Any, run: Run, train: datasets.ImageSet, test: datasets.ImageSet) -> dict[str, Any]:
    """Digits decoded as another class: is the handwriting kept, and the class obeyed?

    A conditional VAE decodes the same code with another label. A plain one adds the difference of two
    classes' mean codes, as lesson 05 does. The control decodes another digit's code, of the same class.
    """
    x, labels = datasets.to_float(test.images[:TRANSFERRED]), test.labels[:TRANSFERRED]
    generator = torch.Generator().manual_seed(run.seed)
    wanted = (labels + torch.randint(1, CLASSES, labels.shape, generator=generator)) % CLASSES
    z, other = placed(model, x, labels), torch.arange(len(x))
    for label in range(CLASSES):
        own = (labels == label).nonzero()[:, 0]
        other[own] = own.roll(1)
    means = class_means(placed(model, train.images, train.labels), train.labels)
    written = attributes.measured(x)
    numbers: dict[str, Any] = {}
    for name, code in (("own code", z), ("another digit's code", z[other])):
        for way, to in (("as another class", wanted), ("as its own class", labels)):
            with models.evaluating(model):
                if run.model == "plain":
                    images = model.decode(code + means[to] - means[labels])
                else:
                    images = model.decode(code, to)
            numbers |= {
                f"{attribute}, {name}, {way}": correlation(written[attribute], labels, values, to)
                for attribute, values in attributes.measured(images).items()
            }
            numbers[f"obeyed, {name}, {way}"] = read_as(images, to)
    images, to = drawn(model, run.seed, DRAWN) if run.model != "plain" else (None, None)
    return numbers | ({} if images is None else {"obeyed, z from the prior": read_as(images, to)})


def class_means(codes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean code of each class, (classes, latent_dim)."""
    return torch.stack([codes[labels == label].mean(0) for label in range(CLASSES)])


def correlation(a: torch.Tensor, of_a: torch.Tensor, b: torch.Tensor, of_b: torch.Tensor) -> float:
    """Pearson's r of two attributes within their classes: each less its class's mean.

    An 8 is wider than a 1 whoever writes it, so classes would add to r, or hide it. Images on which an
    attribute can't be measured (NaN) are left out.
    """
    there = ~(a.isnan() | b.isnan())
    a, b, of_a, of_b = (part[there].double() for part in (a, b, of_a, of_b))
    for values, classes in ((a, of_a), (b, of_b)):
        for label in classes.unique():
            values[classes == label] -= values[classes == label].mean()
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@functools.cache
def reader() -> Any:
    """The shipped classifier."""
    return checkpoints.load("classifier")


def read_as(images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of images that the shipped classifier reads as these classes."""
    with torch.no_grad():
        return (reader()(images).argmax(1) == labels).float().mean().item()


def missing(model: Any, run: Run, train: datasets.ImageSet, test: datasets.ImageSet) -> dict[str, Any]:
    """What few labels cost: the classifier's error, the bound without a label, whether labels are obeyed."""
    if run.model == "plain":
        terms = training.evaluate(model, test.images)
        return {"bound": terms["loss"], "kl": terms["kl"]}
    x = datasets.to_float(test.images)
    with models.evaluating(model):
        belief = torch.cat([model.classifier(part).softmax(1) for part in x.split(1000)])
    found = belief.argmax(1)
    table = torch.zeros(CLASSES, CLASSES)
    table.index_put_((found, test.labels), torch.ones(len(found)), accumulate=True)
    names = linear_sum_assignment(-table.numpy())[1]  # the digit that each class would best be called
    shares = torch.bincount(found, minlength=CLASSES) / len(found)
    numbers = {
        "error": (found != test.labels).float().mean().item(),
        "error, classes named afterwards": (torch.from_numpy(names)[found] != test.labels)
        .float()
        .mean()
        .item(),
        "classes in use": math.exp(torch.special.entr(shares).sum().item()),
    }
    if run.model == "classifier":
        return numbers
    unknown = torch.full_like(test.labels, UNKNOWN)
    terms = training.evaluate(
        model, test.images, functools.partial(conditional_elbo, alpha=0), labels=unknown
    )
    images, labels = drawn(model, run.seed, DRAWN)
    return {
        **numbers,
        "bound": terms["loss"],  # on -log p(x), comparable for all
        "kl": terms["kl"],
        "kl of the label": terms["kl_label"],
        "obeyed": read_as(images, labels),
    }


def drawn(model: Any, seed: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and the classes that they were asked for: z from the prior, all classes equally often."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, model.latent_dim, generator=generator)
    labels = torch.randint(CLASSES, (n,), generator=generator)
    with models.evaluating(model):
        pairs = zip(z.split(1000), labels.split(1000), strict=True)
        return torch.cat([model.decode(*pair) for pair in pairs]), labels


def generators(model: Any, run: Run, train: datasets.ImageSet, test: datasets.ImageSet) -> dict[str, Any]:
    """What the one judge says of samples, and whether they are of the class that was asked for."""
    images, labels = drawn(model, run.seed, judging.SAMPLES)
    return {"judged": judging.judged(images, "mnist"), "obeyed": read_as(images, labels)}


def main() -> int:
    return carry_out(matrix(), perform, RESULTS, "notebook 07")


if __name__ == "__main__":
    raise SystemExit(main())
