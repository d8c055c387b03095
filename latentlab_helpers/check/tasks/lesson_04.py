"""The exercises of lesson 04: scales, PCA, chance, neighbours, what a map keeps, labels dealt at random."""

from __future__ import annotations

import torch
from scipy import stats

from ... import metrics
from ..core import Behaviour, Function, Mistake, Task, Value
from .parts_04 import (
    accuracy,
    both,
    chance,
    chance_mistakes,
    clusters,
    codes_for_pca,
    counts,
    explained,
    knn_mistakes,
    map_of_digits,
    near,
    pairs,
    scattered,
    shares,
    vote,
    whitened,
)
from .trials_04 import dealt

TASKS: dict[str, Task] = {
    "04.1": Function(
        right=lambda z: (z - z.mean(0)) / z.std(0), inputs=scattered, returns="codes, shaped as before",
        sizes=lambda z: {"images": len(z), "latent dimensions": z.shape[1]},
        mistakes=[Mistake(hint, does) for hint, does in {
            "mean and spread are those of each image; they belong to each latent dimension, over all images":
                lambda z: (z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True),
            "one mean and one spread for all numbers: each latent dimension has its own":
                lambda z: (z - z.mean()) / z.std(),
            "divided by the variance; the standard deviation is its root":
                lambda z: (z - z.mean(0)) / z.var(0),
            "divided by the root of the standard deviation, so a root is too many":
                lambda z: (z - z.mean(0)) / z.std(0).sqrt(),
            "the mean isn't subtracted": lambda z: z / z.std(0),
            "the mean is subtracted after the division; it belongs before":
                lambda z: z / z.std(0) - z.mean(0),
            "the mean is added, not subtracted": lambda z: (z + z.mean(0)) / z.std(0),
            "centred, and not divided by the standard deviation": lambda z: z - z.mean(0),
            "multiplied by the standard deviation, where a division is asked":
                lambda z: (z - z.mean(0)) * z.std(0),
            "the median is subtracted; the task asks for the "
            "mean": lambda z: (z - z.median(0).values) / z.std(0),
            "that brings each dimension between 0 and 1; the task asks for mean 0 and standard deviation 1":
                lambda z: (z - z.amin(0)) / (z.amax(0) - z.amin(0)),
            "divided by the range; the spread that counts is the standard deviation":
                lambda z: (z - z.mean(0)) / (z.amax(0) - z.amin(0)),
            "divided by the length of the column, which grows with the number of images":
                lambda z: (z - z.mean(0)) / (z - z.mean(0)).norm(dim=0),
            "each code is divided by its own length, so only its direction is left":
                lambda z: z / z.norm(dim=1, keepdim=True),
            "the mean is that of each image; it belongs to each latent dimension":
                lambda z: (z - z.mean(1, keepdim=True)) / z.std(0),
            "the spread is one number for all; each latent dimension has its own":
                lambda z: (z - z.mean(0)) / z.std(),
            "only the mean is divided: put brackets around the difference, then divide":
                lambda z: z - z.mean(0) / z.std(0),
            "divided by the root of the mean square; a standard deviation is measured from the mean":
                lambda z: (z - z.mean(0)) / z.square().mean(0).sqrt(),
            "that is whitening, which undoes the correlations as well: only shift and scale each dimension":
                whitened,
            "that is whitening, which mixes the dimensions: only shift and scale each of them":
                lambda z: whitened(z, symmetric=True),
        }.items()],
    ),
    "04.2": Function(
        right=explained, inputs=codes_for_pca, returns="a share between 0 and 1",
        sizes=lambda z, k: {"components": k, "latent dimensions": z.shape[1], "images": len(z)},
        mistakes=[Mistake(hint, does) for hint, does in {
            "the singular values must be squared: a variance is a square":
                lambda z, k: explained(z, k, power=1),
            "the singular values are squared twice: eigenvalues of a covariance are variances already":
                lambda z, k: explained(z, k, power=4),
            "the codes aren't centred: the first direction then points at the mean":
                lambda z, k: explained(z, k, centre=False),
            "not centred, and the singular values aren't squared":
                lambda z, k: explained(z, k, power=1, centre=False),
            "that is the share of the last of the k alone; the task asks for that of all k together":
                lambda z, k: explained(z, k) - explained(z, k - 1),
            "one component too many is counted": lambda z, k: explained(z, k + 1),
            "one component too few is counted": lambda z, k: explained(z, k - 1),
            "these are the smallest components: are they sorted in ascending order?":
                lambda z, k: 1 - explained(z, z.shape[1] - k),
            "that is the share that is lost; the task asks for the one that is "
            "kept": lambda z, k: 1 - explained(z, k),
            "that is the variance of the first axes as they are; PCA turns the axes first":
                lambda z, k: z.var(0)[:k].sum() / z.var(0).sum(),
            "that is the variance of the k widest axes; PCA turns the axes first":
                lambda z, k: z.var(0).sort(descending=True).values[:k].sum() / z.var(0).sum(),
            "that is a variance; divide it by that of all dimensions":
                lambda z, k: explained(z, k) * z.var(0).sum(),
            "the axes are brought to one width first; then it is no longer these codes' variance":
                lambda z, k: explained((z - z.mean(0)) / z.std(0), k),
            "divided by what is left, not by the whole": lambda z, k: explained(z, k) / (1 - explained(z, k)),
            "that is the first component alone": lambda z, k: explained(z, 1),
            "that is the share of a single component, the one after the first k; the task asks "
            "for that of the first "
            "k together": lambda z, k: explained(z, k + 1) - explained(z, k),
            "divided by the sum of the same k components, so it is always 1: divide by that of all":
                lambda z, k: 1.0,
            "the mean of each image is subtracted; centred means without the mean of each latent dimension":
                lambda z, k: explained(z - z.mean(1, keepdim=True), k, centre=False),
            "one mean is subtracted from all numbers; each latent dimension has its own":
                lambda z, k: explained(z - z.mean(), k, centre=False),
            "the sum is squared; square each singular value first, and then add them up":
                lambda z, k: explained(z, k, power=1) ** 2,
        }.items()],
    ),
    "04.3": Function(
        right=chance, inputs=counts, returns="a probability", sizes=lambda a, b, k: {"neighbours": k},
        mistakes=[Mistake(hint, does) for hint, does in {
            "0.5 is right for equally many of both; here new points, too, are of the larger kind more often":
                lambda a, b, k: 0.5,
            "that is for a single neighbour: here k of them vote": lambda a, b, k: chance(a, b, 1),
            "that is right only when all say the same; the neighbours vote at random":
                lambda a, b, k: max(a, b) / (a + b),
            "that is for a new code alone; the new point may be a draw of the prior, too":
                lambda a, b, k: vote(a / (a + b), k),
            "that is for a new draw of the prior alone; it may be a code, too":
                lambda a, b, k: vote(b / (a + b), k),
            "that is how often the vote is wrong": lambda a, b, k: 1 - chance(a, b, k),
            "that asks all k neighbours to agree; more than half of them suffice":
                lambda a, b, k: (a / (a + b)) ** (k + 1) + (b / (a + b)) ** (k + 1),
            "that counts votes that are as close as can be; a larger majority wins as well":
                lambda a, b, k: sum(p * stats.binom.pmf(k // 2 + 1, k, p) for p in shares(a, b)),
            "one vote too many is asked for a majority":
                lambda a, b, k: sum(p * stats.binom.sf(k // 2 + 1, k, p) for p in shares(a, b)),
            "one vote too few counts as a majority":
                lambda a, b, k: sum(p * stats.binom.sf(k // 2 - 1, k, p) for p in shares(a, b)),
            "the ways to order the votes are missing: the binomial coefficient":
                lambda a, b, k: sum(p * sum(p**i * (1 - p) ** (k - i) for i in range(k // 2 + 1, k + 1))
                                    for p in shares(a, b)),
            "the two cases must be weighted: how often is the new point a code, how often a draw?":
                lambda a, b, k: vote(a / (a + b), k) + vote(b / (a + b), k),
            "that is how common codes are; how often is the vote right?": lambda a, b, k: a / (a + b),
        }.items()] + chance_mistakes(),
    ),
    "04.4": Function(
        right=accuracy, inputs=clusters, sizes=lambda z, y, k: {"codes": len(z), "neighbours": k},
        returns="a share between 0 and 1", mistakes=knn_mistakes(),
    ),
    "04.5": Function(
        right=lambda z, m, k: both(near(z, k), near(m, k)).mean() / k,
        inputs=pairs, sizes=lambda z, m, k: {"points": len(z), "neighbours": k},
        returns="a share between 0 and 1",
        mistakes=[Mistake(hint, does) for hint, does in {
            "each point is counted as its own neighbour, in both spaces, so k - 1 others are left":
                lambda z, m, k: both(near(z, k, 0), near(m, k, 0)).mean() / k,
            "each point is counted as its own neighbour, and there are k others besides":
                lambda z, m, k: both(near(z, k + 1, 0), near(m, k + 1, 0)).mean() / (k + 1),
            "each point itself is among its k neighbours in the space, but not on the map":
                lambda z, m, k: both(near(z, k, 0), near(m, k)).mean() / k,
            "each point itself is among its k neighbours on the map, but not in the space":
                lambda z, m, k: both(near(z, k), near(m, k, 0)).mean() / k,
            "the point itself counts as kept, too: it is among k + 1 on either side":
                lambda z, m, k: both(near(z, k + 1, 0), near(m, k + 1, 0)).mean() / k,
            "the ranks need not agree: who is among the k matters, not in which place":
                lambda z, m, k: (near(z, k) == near(m, k)).float().mean(),
            "that is how many points keep at least one neighbour; the task asks for the share of "
            "the neighbours":
                lambda z, m, k: (both(near(z, k), near(m, k)) > 0).double().mean(),
            "that is how many points keep all of their neighbours; the task asks for the share of "
            "the neighbours":
                lambda z, m, k: (both(near(z, k), near(m, k)) == k).double().mean(),
            "divided by all that are neighbours in either; divide by k":
                lambda z, m, k: (lambda kept: (kept / (2 * k - kept)).mean())(both(near(z, k), near(m, k))),
            "these are the farthest points, sorted the wrong way round":
                lambda z, m, k: both(near(z, k, far=True), near(m, k, far=True)).mean() / k,
            "that is the share which is lost; the task asks for the one that is kept":
                lambda z, m, k: 1 - both(near(z, k), near(m, k)).mean() / k,
            "only the nearest neighbour is compared":
                lambda z, m, k: (near(z, 1) == near(m, 1)).float().mean(),
            "that asks whether the nearest one is among the k; the task asks for all k":
                lambda z, m, k: (near(z, 1) == near(m, k)).any(1).float().mean(),
            "the point itself is left out, and one neighbour too few is compared":
                lambda z, m, k: both(near(z, k - 1), near(m, k - 1)).mean() / (k - 1),
            "one neighbour too few is compared, and the number is divided by k":
                lambda z, m, k: both(near(z, k - 1), near(m, k - 1)).mean() / k,
            "one neighbour too many is compared":
                lambda z, m, k: both(near(z, k + 1), near(m, k + 1)).mean() / (k + 1),
            "the neighbours of all points are thrown together: compare each point's with its own":
                lambda z, m, k: torch.isin(near(z, k), near(m, k)).double().mean(),
            "only the first point is looked at: the return stands inside of the loop":
                lambda z, m, k: both(near(z, k), near(m, k))[0] / k,
            "that is the trustworthiness, another measure: count who is on both lists":
                lambda z, m, k: metrics.trustworthiness(z, m),
            "that is the continuity, another measure: count who is on both lists":
                lambda z, m, k: metrics.trustworthiness(m, z),
        }.items()],
    ),
    "04.6": Value(
        right=lambda: map_of_digits(), rel=0.01,
        mistakes={
            "that is with each point counted as its own neighbour": lambda: map_of_digits(me=0),
            "the point itself counts as kept, too": lambda: (5 * map_of_digits() + 1) / 5,
            "that is with the ten nearest neighbours; the task asks for five": lambda: map_of_digits(k=10),
            "that is on a map of the two widest axes; PCA turns the axes first":
                lambda: map_of_digits("widest"),
            "that is on a map of the first two axes; PCA turns the axes first":
                lambda: map_of_digits("first"),
            "the codes are standardized first; the task asks for mu as they are":
                lambda: map_of_digits("standardized"),
            "that is the map of the images' own PCA; the task asks for that of the codes":
                lambda: map_of_digits("images"),
            "that is the autoencoder; the task asks for the VAE": lambda: map_of_digits(model="ae_mlp_16"),
            "that is the share that is lost": lambda: 1 - map_of_digits(),
            "that is the number of neighbours that are kept; divide by five": lambda: 5 * map_of_digits(),
            "that is PCA with three components; a map has two": lambda: map_of_digits("three"),
            "that is PCA with one component; a map has two": lambda: map_of_digits("one"),
            "that is chance: 5 of 999": 5 / 999,
            "that is with each point counted as its own neighbour, beside five others":
                lambda: map_of_digits(k=6, me=0),
            "that is with four neighbours; the task asks for five": lambda: map_of_digits(k=4),
            "these are the farthest points, sorted the wrong way round": lambda: map_of_digits(far=True),
            "the ranks need not agree: who is among the five matters, not in which place":
                lambda: map_of_digits(same_rank=True),
            "that is about the images' pixels; the task asks for the codes": lambda: map_of_digits("pixels"),
            "that is with the first 2,000 images; the task asks for "
            "1,000": lambda: map_of_digits(images=2000),
            "those are other images than the first 1,000 test images, or the map is fitted to more of them":
                lambda: map_of_digits(part="train"),
            "all are kept? That is the VAE with two latent dimensions, or a space compared with itself": 1.0,
            "that is the share of neighbours with the same label; the task asks for the same neighbours":
                lambda: map_of_digits("labels"),
            "that is the share of the variance on the map (04.2); the task asks for the neighbours":
                lambda: map_of_digits("variance"),
        },
    ),
    "04.7": Behaviour(dealt),
}  # fmt: skip
