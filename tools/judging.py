"""One judge for everything that generates: what lessons 07, 08 and 10 say of samples, so that they can be
compared.

Two classifiers look at 5,000 samples: A is convolutional, B isn't, and each knows half of the training images
(`claims.data.judge`). Real images are the floor of every number: training images that A has not seen.
"""

from __future__ import annotations

import torch

from latentlab_helpers import metrics
from tools.claims.data import floats, judge, real
from tools.claims.rules import JUDGES
from tools.claims.samples import (
    SAMPLES,
    SOFT,
    classes_covered,
    frechet_distance,
    precision_and_recall,
    softened,
)

BUDGET = 180  # seconds of one core, in which a generator learns all that it knows
NEAREST = 5  # neighbours that make a real image's ball, as in the source of coverage


def judged(images: torch.Tensor, name: str = "mnist") -> dict[str, float]:
    """What the judges say of samples, beside the test images.

    Parameters
    ----------
    images : torch.Tensor
        (5000, channels, height, width) in [0, 1], in random order.
    name : str
        The data set that they are meant to be of.

    Returns
    -------
    dict of str to float
        "Fréchet distance A" and "B"; "precision", "recall" and "coverage" among A's features; "classes
        covered", the number of equally frequent classes that would be as diverse; "confidence" of A;
        "sharpness" beside the test images, and "Fréchet distance A, equally soft", after all samples were
        blurred to a sharpness of 0.25.

    Raises
    ------
    ValueError
        For another number of images: few rows make a Fréchet distance too large.
    """
    if len(images) != SAMPLES:
        raise ValueError(f"the judges compare {SAMPLES} samples, not {len(images)}: draw as many")
    numbers = {}
    for letter in JUDGES:
        distance = frechet_distance(
            judge(name, letter)(images).features, real(name, "test", letter, SAMPLES).features
        )
        numbers[f"Fréchet distance {letter}"] = distance
    seen, known = judge(name, "A")(images), real(name, "test", "A", SAMPLES)
    references = floats(name, "test")[:SAMPLES]
    soft = judge(name, "A")(softened(images, references, SOFT))
    precision, recall = precision_and_recall(seen.features, known.features)
    return {
        **numbers,
        "precision": precision,
        "recall": recall,
        "coverage": coverage(seen.features, known.features),
        "classes covered": classes_covered(seen.classes),
        "confidence": seen.confidence.mean().item(),
        "sharpness": metrics.sharpness(images, references),
        "Fréchet distance A, equally soft": frechet_distance(soft.features, known.features),
    }


def floor(name: str = "mnist") -> dict[str, float]:
    """What the judges say of real images: training images that judge A, who decides most, has not seen."""
    x = floats(name, "train")
    return judged(x[len(x) // 2 :][:SAMPLES], name)


def coverage(samples: torch.Tensor, known: torch.Tensor) -> float:
    """The share of real images that have a sample nearer than their fifth nearest real neighbour.

    Features are (n, d) each. An outlier among the samples doesn't help it, as it helps recall. Source:
    Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv:2002.09797.
    """
    radius = torch.cdist(known, known).kthvalue(NEAREST + 1, dim=1).values  # the first is itself
    return (torch.cdist(known, samples).min(1).values < radius).float().mean().item()
