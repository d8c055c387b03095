"""What is measured on a trained model, a function for each group: (model, run, history) to {name: number}."""

from __future__ import annotations

import functools
import statistics
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from latentlab_helpers import attributes, checkpoints, datasets, latent, metrics, models, training
from tools.claims.rules import ATTRIBUTES, SIZES

# How many images each measure sees
CODES, MAPPED, PAIRS, FRAMES, SAMPLES, BASES = 10_000, 2_000, 100, 11, 5_000, 100
HALF_WAY = slice(3, 8)  # of eleven frames: t from 0.3 to 0.7
PERPLEXITIES = (5, 30, 100)
OWN = "control: "  # before the name of a number that a model's own control has
STRENGTHS = torch.linspace(-1, 1, 5)  # of an attribute's vector


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
    return {name: getattr(attributes, name)(images) for name in ATTRIBUTES}


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
        f"linear probe, {size}": linear_probe(codes, labels, test_codes, test_labels),
        f"silhouette, {size}": metrics.silhouette(test_codes[:MAPPED], test_labels[:MAPPED]),
        f"k-means, {size}": cluster_agreement(test_codes, test_labels, seed=run.seed),
    }


def maps(model, run, history) -> dict:
    """Two-dimensional maps of the codes; as a control, a projection in two random directions."""
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
    """As a control, the same codes, dealt to the images at random."""
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
        numbers[f"Fréchet distance, {name}"] = frechet_distance(features, real_features("test"))
        numbers[f"confidence, {name}"] = confidence.mean().item()
    for name, best in (("Fréchet distance", min), ("confidence", max)):
        both = (numbers[f"{name}, N(0, I)"], numbers[f"{name}, fitted Gaussian"])
        numbers[f"{name}, better sampler"] = best(both)
    return numbers


def directions(model, run, history) -> dict:
    """How far an attribute follows its vector's strength; as a control, vectors in random directions."""
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
    errors = metrics.pca_mse(data("train").images, data("test").images, SIZES)
    numbers |= {f"test MSE, {size}-D": error for size, error in errors.items()}
    for size in (2, 16):
        numbers |= structure(pca(size), replace(run, latent_dim=size), None)
    numbers |= sharp(pca(16), run, None) | samples(pca(16), run, None)
    numbers |= path_numbers(blended(*pairs(run.seed)), 16)
    numbers |= morph_numbers(blended(*pairs(run.seed, 3, 8)))
    real = torch.cat(pairs(run.seed, 3, 8))
    numbers["confidence, real digits"] = judged(real)[1].mean().item()
    distances = metrics.nearest_real_distance(real, floats("train"))
    numbers["distance to a real digit, real digits"] = distances.mean().item()
    numbers["Fréchet distance, real digits"] = frechet_distance(*map(real_features, ("train", "test")))
    return numbers


# --- Measures that no lesson computes itself


def frechet_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to two sets of features (n, d) and (m, d): 0 if alike.

    |mu1 - mu2|² + tr(C1 + C2 - 2 (C1 C2)^½), in the features' unit, squared. Few rows make it too large:
    compare equal numbers. Sources: Dowson and Landau, J. Multivariate Analysis 12 (1982), 450; as a measure
    of samples, Heusel et al., arXiv:1706.08500.
    """
    mu1, mu2 = (part.double().mean(dim=0) for part in (a, b))
    c1, c2 = (part.double().T.cov().view(len(mu1), -1) for part in (a, b))
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # C1 C2 has the eigenvalues of C1^½ C2 C1^½, which is symmetric, so that they come out real and accurate.
    shared = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    return ((mu1 - mu2).square().sum() + c1.trace() + c2.trace() - 2 * shared).clamp(min=0).item()


def linear_probe(codes, labels, test_codes, test_labels) -> float:
    """The share of test codes that a linear classifier (logistic regression), fitted to codes, gets right.

    Each dimension is standardized. Source: Alain and Bengio, arXiv:1610.01644.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    # In float32 the optimizer's line search can fail before it has converged.
    probe.fit(codes.double().numpy(), labels.numpy())
    return float(probe.score(test_codes.numpy(), test_labels.numpy()))


def cluster_agreement(codes: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> float:
    """How well k-means, which sees no labels, finds them (adjusted Rand index): 1 exactly, 0 by chance.

    As many clusters as there are labels, the best of 10 starts. Source: Hubert and Arabie, J. Classification
    2 (1985), 193.
    """
    clusters = KMeans(len(labels.unique()), n_init=10, random_state=seed)
    return float(adjusted_rand_score(labels.numpy(), clusters.fit_predict(codes.numpy())))
