"""The measures that only the ledger needs."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from tools.claims import measures


def rows_with(mean, covariance, n=500):
    """Features whose sample mean and covariance are exactly these."""
    draws = np.random.default_rng(0).standard_normal((n, len(mean)))
    draws -= draws.mean(0)
    draws = draws @ np.linalg.inv(np.linalg.cholesky(np.cov(draws.T))).T
    return torch.tensor(draws @ np.linalg.cholesky(covariance).T + mean)


def test_frechet_distance_of_gaussians_with_a_closed_form():
    a = rows_with([0.0, 0.0, 0.0], np.diag([1.0, 4.0, 9.0]))
    b = rows_with([1.0, -2.0, 0.0], np.diag([4.0, 4.0, 1.0]), n=300)
    # Diagonal covariances: the means' distance and that of the standard deviations, squared.
    expected = (1 + 4) + (1 - 2) ** 2 + 0 + (3 - 1) ** 2
    assert measures.frechet_distance(a, b) == pytest.approx(expected)
    assert measures.frechet_distance(b, a) == pytest.approx(expected)
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    turn = torch.tensor(turn)
    assert measures.frechet_distance(a @ turn + 7, b @ turn + 7) == pytest.approx(expected)
    # One Gaussian against itself, turned by an angle: 2 tr C - 2 tr (C R C R')^½, here 2 by 2.
    angle, (s, t) = math.radians(30), (9.0, 1.0)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    c = rows_with([0.0, 0.0], np.diag([s, t]))
    product = np.diag([s, t]) @ turn.numpy() @ np.diag([s, t]) @ turn.numpy().T
    root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    assert measures.frechet_distance(c, c @ turn.T) == pytest.approx(2 * (s + t) - 2 * root)
    assert root < s + t
    one = torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [9.0]])  # variances 2 and 8, means 1 and 7
    assert measures.frechet_distance(*one) == pytest.approx(36 + (math.sqrt(8) - math.sqrt(2)) ** 2)


def test_frechet_distance_agrees_with_scipys_root(test, generator):
    digits = test.images[:100].float() / 255
    mix = torch.randn(12, 12, generator=generator)
    a, b = torch.randn(400, 12, generator=generator) @ mix, torch.rand(300, 12, generator=generator)
    c1, c2 = (np.cov(part.double().numpy().T) for part in (a, b))
    means = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    expected = means + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert measures.frechet_distance(a, b) == pytest.approx(expected)
    # Fewer rows than pixels: the covariance is singular.
    assert measures.frechet_distance(digits.flatten(1), digits.flatten(1)) == pytest.approx(0, abs=1e-4)
    assert measures.frechet_distance(digits.flatten(1), digits.flatten(1) + 0.1) == pytest.approx(
        7.84, abs=1e-3
    )


def test_a_linear_probe_standardizes(generator):
    """The dimension that tells the classes apart is a thousandth of the other one."""
    labels = torch.randint(2, (400,), generator=generator)
    codes = torch.stack([torch.randn(400, generator=generator), 1e-3 * labels], dim=1)
    assert measures.linear_probe(codes[:200], labels[:200], codes[200:], labels[200:]) == 1


def test_cluster_agreement_repeats_with_its_seed(generator):
    codes, labels = torch.randn(2000, 3, generator=generator), torch.randint(4, (2000,), generator=generator)
    assert measures.cluster_agreement(codes, labels, seed=1) == measures.cluster_agreement(
        codes, labels, seed=1
    )
    assert measures.cluster_agreement(codes, labels) == pytest.approx(0, abs=0.01)


def test_probe_and_clusters_find_what_a_line_and_round_clusters_can(generator):
    """Blobs far apart are found; of a ring around a blob, neither straight lines nor k-means see much."""
    labels = torch.arange(180) % 3
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    blobs = centres[labels] + 0.5 * torch.randn(180, 2, generator=generator)
    assert measures.linear_probe(blobs[:90], labels[:90], blobs[90:], labels[90:]) == 1
    assert measures.cluster_agreement(blobs, labels) == 1
    labels = torch.arange(1000) % 2
    points = torch.randn(1000, 2, generator=generator)
    points = torch.where(labels[:, None] == 0, 0.2 * points, 5 * points / points.norm(dim=1, keepdim=True))
    assert measures.linear_probe(points[:500], labels[:500], points[500:], labels[500:]) < 0.75
    assert measures.cluster_agreement(points, labels) < 0.5
