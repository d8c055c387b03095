"""What is measured on samples, for the two halves of claim 9: how well a sampler knows the codes, and how
well the decoder draws what it is given."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.mixture import GaussianMixture

from latentlab_helpers import metrics
from tools.claims.data import Seen, floats, judge, real
from tools.claims.rules import JUDGES

SAMPLES = 5_000
SOFT = 0.25  # the sharpness that samples are blurred to, below all models' own
NEAREST = 3  # neighbours that make the radius of precision and recall, as in their source


def drawn(codes: torch.Tensor, sampler: str, seed: int) -> torch.Tensor:
    """Codes from a sampler, N(0, I) or one that is fitted to the training codes."""
    if sampler == "N(0, I)":
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(SAMPLES, codes.shape[1], generator=generator)
    components = 1 if sampler == "one Gaussian" else int(sampler.removeprefix("mixture of "))
    fitted = GaussianMixture(components, random_state=seed).fit(codes.double().numpy())
    z = torch.from_numpy(fitted.sample(SAMPLES)[0]).float()
    return z[torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(seed))]


def judged(images: torch.Tensor, name: str, sampler: str) -> dict[str, float]:
    """How far samples are from real images, for both judges."""
    numbers = {}
    for letter in JUDGES:
        seen, known = judge(name, letter)(images), real(name, "test", letter, SAMPLES)
        numbers[f"Fréchet distance {letter}, {sampler}"] = frechet_distance(seen.features, known.features)
        numbers[f"confidence {letter}, {sampler}"] = seen.confidence.mean().item()
    return numbers


def precise(seen: Seen, known: Seen, sampler: str) -> dict[str, float]:
    precision, recall = precision_and_recall(seen.features, known.features)
    numbers = {f"precision, {sampler}": precision, f"recall, {sampler}": recall}
    return {**numbers, f"classes covered, {sampler}": classes_covered(seen.classes)}


def equally_soft(images: torch.Tensor, name: str, sampler: str) -> dict[str, float]:
    """The distance once the samples are no sharper than those of any model."""
    references = floats(name, "test")[: len(images)]
    seen = judge(name, "A")(softened(images, references, SOFT))
    distance = frechet_distance(seen.features, real(name, "test", "A", SAMPLES).features)
    return {
        f"Fréchet distance A, {sampler}, equally soft": distance,
        f"sharpness, {sampler}": metrics.sharpness(images, references),
    }


def softened(images: torch.Tensor, references: torch.Tensor, sharpness: float) -> torch.Tensor:
    """The images, blurred by a Gaussian until they have no more than this sharpness beside the references."""
    low, high = 0.0, 4.0
    if metrics.sharpness(images, references) <= sharpness:
        return images
    for _ in range(8):
        middle = (low + high) / 2
        soft = blurred(images, middle)
        low, high = (middle, high) if metrics.sharpness(soft, references) > sharpness else (low, middle)
    return blurred(images, high)


def blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    soft = gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="constant")
    return torch.from_numpy(soft).clamp(0, 1)


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


def precision_and_recall(samples: torch.Tensor, known: torch.Tensor) -> tuple[float, float]:
    """The share of samples among the real images, and of real images among the samples.

    A point is among others if it is no further from one of them than that one's third nearest neighbour.
    Features are (n, d) each. Source: Kynkäänniemi et al., arXiv:1904.06991, equation 1.
    """

    def among(points: torch.Tensor, others: torch.Tensor) -> float:
        radius = torch.cdist(others, others).kthvalue(NEAREST + 1, dim=1).values  # the first is itself
        return (torch.cdist(points, others) <= radius).any(1).float().mean().item()

    return among(samples, known), among(known, samples)


def classes_covered(classes: torch.Tensor) -> float:
    """The number of equally frequent classes that would be as diverse: the exponential of the entropy."""
    shares = np.bincount(classes.numpy()) / len(classes)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
