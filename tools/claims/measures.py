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

from latentlab_helpers import attributes, latent, metrics, models, training
from tools.claims import samples as sampled
from tools.claims.data import MEASURED_ON, floats, handwriting, images, judge, real
from tools.claims.rules import JUDGES, SAMPLERS, SIZES

# How many images each measure sees
CODES, MAPPED, PAIRS, FRAMES, BASES = 10_000, 2_000, 100, 11, 100
HALF_WAY = slice(3, 8)  # of eleven frames: t from 0.3 to 0.7
PERPLEXITIES = (5, 30, 100)
OWN = "control: "  # before the name of a number that a model's own control has
STRENGTHS = torch.linspace(-1, 1, 5)  # of an attribute's vector


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """PCA with the two methods that measures need. Codes are scaled to unit variance."""

    def __init__(self, name: str, latent_dim: int):
        super().__init__()
        pixels = floats(name, "train").flatten(1).numpy()
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
def pca(name: str, latent_dim: int) -> Linear:
    return Linear(name, latent_dim)


def compression(model, run, history) -> dict:
    test = images(run.data, "test").images
    terms = training.evaluate(model, test, run.loss)
    mse = metrics.reconstruction_mse(model, test)
    numbers = {f"test MSE, {run.latent_dim}-D": mse, **{f"test {key}": value for key, value in terms.items()}}
    if run.kind == "vae":
        numbers["active units"] = latent.active_units(metrics.embed(model, test)).sum().item()
    return numbers


def bound(model, run, history) -> dict:
    """The importance-weighted bound on log p(x), of the grey images: k = 1 is the ELBO."""
    test = images(run.data, "test").images[:500]
    return {
        f"bound on log p(x), k = {k}": metrics.log_likelihood(model, test, k, seed=run.seed).mean().item()
        for k in (1, 100)
    }


def fall(model, run, history) -> dict:
    """From the first epoch to the last, as a share of the first."""
    return {
        f"fall of the {name} loss": 1 - series["loss"][-1] / series["loss"][0]
        for name, series in (("training", history.train), ("test", history.test))
    }


def sharp(model, run, history) -> dict:
    x = floats(run.data, "test")[:MAPPED]
    seen = metrics.reconstruct(model, x)
    return {
        f"SSIM, {run.latent_dim}-D": metrics.ssim(seen, x),
        f"sharpness, {run.latent_dim}-D": metrics.sharpness(seen, x),
    }


def pairs(
    name: str, seed: int, first: int | None = None, second: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Test images to walk between: of two given classes, or of any two different ones."""
    labels, random, x = images(name, "test").labels, generator(seed), floats(name, "test")
    if first is None:
        order = torch.randperm(len(labels), generator=random)
        starts, ends = order[: 2 * PAIRS], order[2 * PAIRS : 4 * PAIRS]
        different = (labels[starts] != labels[ends]).nonzero()[:PAIRS, 0]
        return x[starts[different]], x[ends[different]]
    chosen = []
    for label in (first, second):
        of_class = (labels == label).nonzero()[:, 0]
        chosen.append(x[of_class[torch.randperm(len(of_class), generator=random)[:PAIRS]]])
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


def path_numbers(frames: torch.Tensor, size: int, when: str = "") -> dict:
    length, unevenness = metrics.path_length_and_evenness(frames)
    return {
        f"path length, {size}-D{when}": length.mean().item(),
        f"path unevenness, {size}-D{when}": unevenness.mean().item(),
    }


def paths(model, run, history, when: str = "") -> dict:
    return path_numbers(walked(model, *pairs(run.data, run.seed)), run.latent_dim, when)


def morph_numbers(name: str, three_to_eight: torch.Tensor, any_classes: torch.Tensor) -> dict:
    """Half-way and at the ends: how sure the judges are, and how far the nearest real image is.

    A sag is what is lost between the ends and the middle: of confidence, or to distance.
    """
    numbers = {}
    for letter, (frames, pair) in product(JUDGES, ((three_to_eight, ""), (any_classes, ", any classes"))):
        sure = judge(name, letter)(frames.flatten(0, 1)).confidence.view(frames.shape[:2])
        middle, ends = sure[:, HALF_WAY].mean().item(), sure[:, [0, -1]].mean().item()
        numbers[f"confidence of judge {letter} half-way{pair}"] = middle
        numbers[f"sag of judge {letter}'s confidence{pair}"] = ends - middle
    parts = (three_to_eight[:, part].flatten(0, 1) for part in (HALF_WAY, [0, -1]))
    known = floats(name, "train")
    middle, ends = (metrics.nearest_real_distance(part, known).mean().item() for part in parts)
    return {**numbers, "distance half-way": middle, "sag of the distance": middle - ends}


def morph(model, run, history) -> dict:
    chosen = (pairs(run.data, run.seed, 3, 8), pairs(run.data, run.seed))
    return morph_numbers(run.data, *(walked(model, *both) for both in chosen))


def structure(model, run, history) -> dict:
    train, test = images(run.data, "train"), images(run.data, "test")
    known = metrics.embed(model, train.images[:CODES]), train.labels[:CODES]
    new = metrics.embed(model, test.images), test.labels
    return structure_numbers(*known, *new, run.latent_dim, run.seed)


def structure_numbers(codes, labels, test_codes, test_labels, size: int, seed: int) -> dict:
    return {
        f"k-NN, {size}-D": metrics.knn_accuracy(codes, labels, test_codes, test_labels),
        f"linear probe, {size}-D": linear_probe(codes, labels, test_codes, test_labels),
        f"silhouette, {size}-D": metrics.silhouette(test_codes[:MAPPED], test_labels[:MAPPED]),
        f"k-means, {size}-D": cluster_agreement(test_codes, test_labels, seed=seed),
    }


def maps(model, run, history) -> dict:
    """Two-dimensional maps of the codes; as a control, a projection in two random directions."""
    labels = images(run.data, "test").labels[:MAPPED]
    codes = metrics.embed(model, images(run.data, "test").images[:MAPPED])
    directions = torch.linalg.qr(torch.randn(run.latent_dim, 2, generator=generator(run.seed)))[0]
    drawn = {"PCA": torch.tensor(PCA(2).fit_transform(codes.numpy())), "random": codes @ directions}
    for perplexity in PERPLEXITIES if run.kind == "vae" and run.seed <= 5 else (30,):
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=run.seed)
        name = "t-SNE" if perplexity == 30 else f"t-SNE, perplexity {perplexity}"
        drawn[name] = torch.tensor(tsne.fit_transform(codes.numpy()))
    numbers = {"neighbourhood hit of the codes": metrics.neighbourhood_hit(codes, labels)}
    for name, places in drawn.items():
        numbers[f"trustworthiness, {name}"] = metrics.trustworthiness(codes, places)
        # Neighbours that the map has lost: the same sum with the roles exchanged (Venna and Kaski 2001)
        numbers[f"continuity, {name}"] = metrics.trustworthiness(places, codes)
        numbers[f"neighbourhood hit, {name}"] = metrics.neighbourhood_hit(places, labels)
    of = ("trustworthiness", "continuity", "neighbourhood hit")
    for measure, name in product(of, ("PCA", "t-SNE")):
        numbers[f"{OWN}{measure}, {name}"] = numbers[f"{measure}, random"]
    return numbers


def neighbour_numbers(codes: torch.Tensor, run) -> dict:
    x, labels = images(run.data, "test")
    return {
        f"same class, {run.latent_dim}-D": metrics.neighbourhood_hit(codes, labels),
        f"pixel distance, {run.latent_dim}-D": metrics.neighbour_distance_ratio(codes, x, run.seed),
    }


def neighbours(model, run, history) -> dict:
    """As a control, the same codes, dealt to the images at random."""
    codes = metrics.embed(model, images(run.data, "test").images)
    dealt = codes[torch.randperm(len(codes), generator=generator(run.seed))]
    chance = neighbour_numbers(dealt, run)
    return {**neighbour_numbers(codes, run), **{f"{OWN}{name}": value for name, value in chance.items()}}


def samples(model, run, history, samplers=SAMPLERS) -> dict:
    """Decoded draws from four samplers, and beside them the model's own reconstructions."""
    codes = metrics.embed(model, images(run.data, "train").images[:CODES])
    numbers = {}
    for sampler in samplers:
        z = sampled.drawn(codes, sampler, run.seed)
        with models.evaluating(model):
            made = torch.cat([model.decode(part) for part in z.split(1000)])
        numbers |= sampled.judged(made, run.data, sampler)
        if sampler in ("one Gaussian", "mixture of 50"):
            seen = judge(run.data, "A")(made)
            numbers |= sampled.precise(seen, real(run.data, "test", "A", sampled.SAMPLES), sampler)
            numbers |= sampled.equally_soft(made, run.data, sampler)
    rebuilt = metrics.reconstruct(model, images(run.data, "train").images[-sampled.SAMPLES :])
    return numbers | sampled.judged(rebuilt, run.data, "reconstructions")


def one_gaussian(model, run, history) -> dict:
    """The first two samplers alone."""
    return samples(model, run, history, SAMPLERS[:2])


def directions(model, run, history) -> dict:
    """How far an attribute follows its vector's strength; as a control, vectors in random directions.

    The promise is what the vector was made of: the attribute's mean in the fifth of the images that has the
    most of it, less that in the fifth that has the least, from strength -½ to ½, so twice that from -1 to 1.
    """
    random = generator(run.seed)
    codes = metrics.embed(model, images(run.data, "train").images[:MEASURED_ON])
    chosen = torch.randperm(len(images(run.data, "test").images), generator=random)[:BASES]
    bases = metrics.embed(model, images(run.data, "test").images[chosen])
    factor = torch.linalg.cholesky(codes.T.cov() + 1e-6 * torch.eye(codes.shape[1]))
    numbers = {}
    for name, values in handwriting(run.data).items():
        keep = values.isfinite()
        vector, unit = latent.attribute_vector(codes[keep], values[keep]), values[keep].std().item()
        others = torch.randn(10, len(vector), generator=random) @ factor.T
        others *= vector.norm() / others.norm(dim=1, keepdim=True)
        r, change = response(model, bases, vector, name)
        chance = [response(model, bases, other, name) for other in others]
        ordered, fifth = values[keep].sort().values, round(0.2 * int(keep.sum()))
        promised = 2 * (ordered[-fifth:].mean() - ordered[:fifth].mean()).item()
        numbers[f"{name}, correlation"], numbers[f"{name}, change"] = r, change / unit
        numbers[f"{name}, share of its promise"] = change / promised
        numbers[f"{name}, class kept"] = kept(model, run.data, bases, vector)
        numbers[f"{OWN}{name}, class kept"] = statistics.fmean(
            kept(model, run.data, bases, other) for other in others
        )
        numbers[f"{OWN}{name}, correlation"] = statistics.fmean(abs(r) for r, _ in chance)
        numbers[f"{OWN}{name}, change"] = statistics.fmean(abs(change) for _, change in chance) / unit
    return numbers


def kept(model, name: str, bases: torch.Tensor, vector: torch.Tensor) -> float:
    """The share of images that judge A reads alike before and after the vector is added or taken away."""
    with models.evaluating(model):
        read = [judge(name, "A")(model.decode(bases + strength * vector)).classes for strength in (0, -1, 1)]
    return torch.cat([read[0] == other for other in read[1:]]).float().mean().item()


def response(model, bases: torch.Tensor, vector: torch.Tensor, attribute: str) -> tuple[float, float]:
    """How an attribute follows a vector's strength from -1 to 1: Pearson's correlation, and its change.

    Each image's own mean is taken away first; the change is in the attribute's unit, from end to end.
    """
    codes = bases[:, None] + STRENGTHS[:, None] * vector
    with models.evaluating(model):
        made = model.decode(codes.flatten(0, 1))
    values = getattr(attributes, attribute)(made).view(len(bases), -1)
    values = values[values.isfinite().all(1)]  # a digit that vanishes on the way has no attribute
    change = (values[:, -1] - values[:, 0]).mean().item()
    strengths = STRENGTHS.repeat(len(values))
    centred = (values - values.mean(1, keepdim=True)).flatten()
    return torch.corrcoef(torch.stack([strengths, centred]))[0, 1].item(), change


def controls(model, run, history) -> dict:
    """What the claims are held against, as far as it needs no autoencoder that was trained."""
    name = run.data
    torch.manual_seed(run.seed)
    untrained = models.VariationalAutoencoder(run.latent_dim, architecture=run.architecture)
    twice = training.History()
    for seed, (series, split) in product((0, 1), ((twice.train, "train"), (twice.test, "test"))):
        terms = training.evaluate(untrained, images(name, split).images[:CODES], seed=seed)
        series.setdefault("loss", []).append(terms["loss"])
    numbers = fall(None, run, twice)
    errors = metrics.pca_mse(images(name, "train").images, images(name, "test").images, SIZES)
    numbers |= {f"test MSE, {size}-D": error for size, error in errors.items()}
    for size in (2, 16):
        numbers |= structure(pca(name, size), replace(run, latent_dim=size), None)
    numbers |= sharp(pca(name, 16), run, None) | samples(pca(name, 16), run, None, SAMPLERS[1:2])
    numbers |= path_numbers(blended(*pairs(name, run.seed)), 16)
    chosen = (pairs(name, run.seed, 3, 8), pairs(name, run.seed))
    return numbers | morph_numbers(name, *(blended(*both) for both in chosen))


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
