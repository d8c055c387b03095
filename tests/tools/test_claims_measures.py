"""The measures that only the ledger needs."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from latentlab_helpers import metrics, results
from tools.claims import calibration, data, measures, samples


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
    assert samples.frechet_distance(a, b) == pytest.approx(expected)
    assert samples.frechet_distance(b, a) == pytest.approx(expected)
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    turn = torch.tensor(turn)
    assert samples.frechet_distance(a @ turn + 7, b @ turn + 7) == pytest.approx(expected)
    # One Gaussian against itself, turned by an angle: 2 tr C - 2 tr (C R C R')^½, here 2 by 2.
    angle, (s, t) = math.radians(30), (9.0, 1.0)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    c = rows_with([0.0, 0.0], np.diag([s, t]))
    product = np.diag([s, t]) @ turn.numpy() @ np.diag([s, t]) @ turn.numpy().T
    root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    assert samples.frechet_distance(c, c @ turn.T) == pytest.approx(2 * (s + t) - 2 * root)
    assert root < s + t
    one = torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [9.0]])  # variances 2 and 8, means 1 and 7
    assert samples.frechet_distance(*one) == pytest.approx(36 + (math.sqrt(8) - math.sqrt(2)) ** 2)


def test_frechet_distance_agrees_with_scipys_root(test, generator):
    digits = test.images[:100].float() / 255
    mix = torch.randn(12, 12, generator=generator)
    a, b = torch.randn(400, 12, generator=generator) @ mix, torch.rand(300, 12, generator=generator)
    c1, c2 = (np.cov(part.double().numpy().T) for part in (a, b))
    means = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    expected = means + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert samples.frechet_distance(a, b) == pytest.approx(expected)
    # Fewer rows than pixels: the covariance is singular.
    assert samples.frechet_distance(digits.flatten(1), digits.flatten(1)) == pytest.approx(0, abs=1e-4)
    assert samples.frechet_distance(digits.flatten(1), digits.flatten(1) + 0.1) == pytest.approx(
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


def test_precision_and_recall_of_half_a_set(generator):
    """Samples that know one of two clusters are all among the real ones, which are half among them."""
    labels = torch.arange(600) % 2
    real = torch.randn(600, 2, generator=generator) + 40.0 * labels[:, None]
    half = torch.randn(300, 2, generator=generator)
    precision, recall = samples.precision_and_recall(half, real)
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.05)
    assert samples.precision_and_recall(real, real) == (1, 1)
    assert samples.precision_and_recall(half + 1000, real) == (0, 0)
    # By hand: with three neighbours, the radius of 0 among 0, 1, 2, 3 is 3, that of 1 is 2.
    line = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    assert samples.precision_and_recall(torch.tensor([[-2.9]]).repeat(4, 1), line)[0] == 1
    assert samples.precision_and_recall(torch.tensor([[-3.1]]).repeat(4, 1), line)[0] == 0


@pytest.mark.parametrize("shares, covered", [([500, 500], 2), ([1000], 1), ([100] * 10, 10)])
def test_classes_covered_counts_equal_ones(shares, covered):
    classes = torch.cat([torch.full((n,), k) for k, n in enumerate(shares)])
    assert samples.classes_covered(classes) == pytest.approx(covered)


def test_samplers_draw_what_they_were_fitted_to(generator):
    centres = torch.tensor([[-20.0, 0.0], [20.0, 0.0]])
    codes = centres[torch.arange(4000) % 2] + torch.randn(4000, 2, generator=generator)
    for sampler, between in (("N(0, I)", True), ("one Gaussian", True), ("mixture of 10", False)):
        z = samples.drawn(codes, sampler, seed=1)
        assert z.shape == (samples.SAMPLES, 2) and torch.equal(z, samples.drawn(codes, sampler, seed=1))
        assert ((z[:, 0].abs() < 10).float().mean() > 0.2) == between, sampler
        if sampler != "N(0, I)":
            torch.testing.assert_close(z.T.cov(), codes.T.cov(), rtol=0.05, atol=1)  # of 400


def test_softened_images_have_the_sharpness_that_was_asked_for(test):
    x = test.images[:200].float() / 255
    soft = samples.softened(x, x, 0.25)
    assert metrics.sharpness(soft, x) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(samples.softened(soft, x, 0.3), soft), "what is soft enough stays as it is"


def test_corners_are_as_far_apart_as_they_should_be():
    corners = calibration.polygon(10, 16, 4.0)
    assert torch.pdist(corners).min().item() == pytest.approx(4)
    assert (corners - corners.roll(1, 0)).norm(dim=1).tolist() == pytest.approx([4] * 10, rel=1e-5)


def test_judges_know_a_half_each_and_are_asked_about_what_they_do_not_know(monkeypatch, train):
    asked = {}
    monkeypatch.setattr(
        data.training, "fit", lambda model, x, **more: asked.update({type(model).__name__: x})
    )
    data.judge.cache_clear()
    for letter in "AB":
        data.judge("mnist", letter)
    data.judge.cache_clear()
    assert torch.equal(asked["Classifier"], train.images[:30_000])
    assert torch.equal(asked["Perceptron"], train.images[30_000:])


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_the_recorded_calibration_ranks_what_is_known(name):
    """Before it judges a model, a measure has to see blur and noise; where it doesn't, the lesson says so."""
    cases = results.load("claims")["calibration"][name]
    order = ["real images", *(f"real images, blurred by {sigma:g}" for sigma in calibration.BLURS)]
    for measure, sign in (("sharpness", -1), ("Fréchet distance A", 1), ("recall", -1), ("SSIM", -1)):
        values = [sign * cases[case][measure] for case in order]
        assert values == sorted(values), measure
        assert len(set(values)) > 2, measure
    for judge in "AB":
        farther = [
            cases[case][f"Fréchet distance {judge}"] for case in ("real images", "pixel blends of two")
        ]
        assert 10 * farther[0] < farther[1] < cases["noise"][f"Fréchet distance {judge}"]
        assert cases["real images"][f"judge {judge} is right"] > {"mnist": 0.97, "fashion": 0.86}[name]
    assert cases["real images"]["recall"] > 0.8 > cases["noise"]["recall"]
    for size in ("2-D", "16-D"):
        two = cases[f"2 Gaussians, neighbours 4 sd apart, {size}"]
        assert min(two[measure] for measure in ("k-NN", "linear probe", "k-means")) > 0.9
        assert cases[f"labels dealt at random, {size}"]["k-NN"] == pytest.approx(0.1, abs=0.02)
