"""The checks of lesson 10's exercises: right answers in unusual forms, and mistakes."""

import math

import numpy as np
import torch
from judge import answers_tried
from scipy.spatial.distance import cdist
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

# ---- right answers, written as nobody would expect


def loss(v, x0, x1, t):
    return ((v + x0 - x1) ** 2).sum() / len(v)


def pull(x, t, s):
    """By regression on draws that have the moments exactly."""
    covariance = np.array([[1, 0], [0, s**2]])
    to, way = np.array([1 - t, t]), np.array([-1, 1])
    return way @ covariance @ to / (to @ covariance @ to) * x


def least(covariance):
    return math.pi / 2 * np.trace(np.real(np.array(_root(covariance.numpy()))))


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values) @ vectors.T


def midpoint(velocity, x, t, h):
    middle, time = x + velocity(x, torch.tensor(t)) * h / 2, torch.full((len(x), 1), t + h / 2)
    return x + velocity(middle, time) * h


def mixture(z, mu, logvar):
    parts = Independent(Normal(mu, torch.exp(logvar / 2)), 1)
    return MixtureSameFamily(Categorical(torch.ones(len(mu))), parts).log_prob(z)


def nearest(vectors, codebook):
    return (codebook.square().sum(1) - 2 * vectors @ codebook.T).argmin(1)


def ratio(samples, train, test):
    own, usual = (cdist(a.numpy(), train.numpy()).min(axis=1) for a in (samples, test))
    return np.median(own) / np.median(usual)


RIGHT = {
    "10.1": [loss, lambda v, x0, x1, t: torch.linalg.norm(v - x1 + x0, dim=1).pow(2).mean()],
    "10.2": [pull, lambda x, t, s: torch.tensor(pull(x, t, s))],
    "10.3": [least, lambda c: torch.linalg.svdvals(c).sqrt().sum() * math.pi / 2],
    "10.4": [midpoint, lambda v, x, t, h: midpoint(v, x, t, h).tolist()],
    "10.5": [mixture],
    "10.6": [nearest, lambda v, c: [int((c - one).norm(dim=1).argmin()) for one in v]],
    "10.7": [
        ratio,
        lambda s, a, b: torch.cdist(s, a).min(1)[0].median() / torch.cdist(b, a).min(1)[0].median(),
    ],
}

# ---- wrong ones, and a piece of the hint that each must get


def normal(z, mu, logvar):
    return Independent(Normal(mu, torch.exp(logvar / 2)), 1).log_prob(z[:, None])


def half(t, h):
    return torch.tensor(t + h / 2)


def at(t):
    return torch.tensor(t)


def against_test(s, a, b):
    return np.median(cdist(s, b).min(1)) / np.median(cdist(b, a).min(1))


WRONG = [
    ("10.1", lambda v, x0, x1, t: loss(-v, x0, x1, t), "from noise to code"),
    ("10.1", lambda v, x0, x1, t: loss(v, 0 * x0, x1, t), "a velocity is a difference"),
    ("10.1", lambda v, x0, x1, t: loss(v, 0, x0 + t[:, None] * (x1 - x0), t), "the point on the line"),
    ("10.1", lambda v, x0, x1, t: loss(v, 0, t[:, None] * (x1 - x0), t), "the same velocity all the way"),
    ("10.1", lambda v, x0, x1, t: (v + x0 - x1).square().sum(1).sqrt().mean(), "has its square"),
    ("10.1", lambda v, x0, x1, t: (v + x0 - x1).square().mean(), "dimensions"),
    ("10.2", lambda x, t, s: pull(x, t, s) * ((1 - t) ** 2 + (t * s) ** 2), "divide by it"),
    ("10.2", lambda x, t, s: (1 - t + t * s * s) / ((1 - t) ** 2 + (t * s) ** 2) * x, "x0 holds back"),
    ("10.2", lambda x, t, s: (t * s * s - 1 + t) / (1 - t + t * s * s) * x, "squared weights"),
    ("10.2", lambda x, t, s: pull(x, t, s**0.5), "its square is the variance"),
    ("10.2", lambda x, t, s: pull(x, t, 1), "for s = 1"),
    ("10.2", lambda x, t, s: pull(x, 1 - t, s), "time runs backwards"),
    ("10.2", lambda x, t, s: pull(1, t, s), "the x is missing"),
    ("10.3", lambda c: math.pi / 2 * torch.linalg.eigvalsh(c).sum(), "variances"),
    ("10.3", lambda c: math.pi / 2 * c.diag().sqrt().sum(), "principal axes"),
    ("10.3", lambda c: torch.linalg.svdvals(c).sqrt().sum(), "factor pi/2"),
    ("10.3", lambda c: 2 * least(c), "twice too much"),
    ("10.3", lambda c: math.pi / 2 * torch.linalg.matrix_norm(c, 2).sqrt(), "one axis alone"),
    ("10.3", lambda c: math.pi / 2 * len(c), "whitened"),
    ("10.3", lambda c: math.pi / 2 * c.diag().sum().sqrt(), "root of the sum"),
    ("10.4", lambda v, x, t, h: x + h * v(x, at(t)), "Euler's step"),
    ("10.4", lambda v, x, t, h: x + h * v(x + h * v(x, at(t)) / 2, at(t)), "its time is still t"),
    ("10.4", lambda v, x, t, h: x + h * v(x, half(t, h)), "and the place isn't"),
    ("10.4", lambda v, x, t, h: x + h / 2 * (v(x, at(t)) + v(x + h * v(x, at(t)), at(t + h))), "Heun's step"),
    ("10.4", lambda v, x, t, h: x + h / 2 * v(x + h / 2 * v(x, at(t)), half(t, h)), "half as long"),
    ("10.4", lambda v, x, t, h: x + h * v(x + h * v(x, at(t)), at(t + h)), "goes the whole way"),
    ("10.4", lambda v, x, t, h: midpoint(v, x, t, h) - x, "add x itself"),
    ("10.5", lambda z, m, v: normal(z, m, v).logsumexp(1), "each has 1/K"),
    ("10.5", lambda z, m, v: normal(z, m, v).mean(1), "the mean of the logarithms"),
    ("10.5", lambda z, m, v: mixture(z, m, v).exp(), "asks for its logarithm"),
    ("10.5", lambda z, m, v: normal(z, m, v).max(1).values - math.log(len(m)), "nearest component alone"),
    ("10.5", lambda z, m, v: mixture(z, m, 2 * v), "the variance is exp(logvar)"),
    ("10.5", lambda z, m, v: mixture(z, m, v) + z.shape[1] * math.log(2 * math.pi) / 2, "2 pi is missing"),
    ("10.5", lambda z, m, v: normal(z, m, v).logsumexp(0) - math.log(len(m)), "summed over the codes"),
    ("10.5", lambda z, m, v: normal(z, m, v).exp().mean(1).log(), "wrong on extreme ones"),
    ("10.6", lambda v, c: torch.cdist(v, c).max(1).indices, "farthest"),
    ("10.6", lambda v, c: (v @ c.T).max(1).indices, "inner product"),
    ("10.6", lambda v, c: torch.cosine_similarity(v[:, None], c, dim=2).argmax(1), "nearest direction"),
    ("10.6", lambda v, c: torch.cdist(c, v).argmin(1), "the other way round"),
    ("10.6", lambda v, c: torch.cdist(v, c).min(1).values, "these are the distances"),
    ("10.6", lambda v, c: c[nearest(v, c)], "the entry itself"),
    ("10.7", lambda s, a, b: 1 / ratio(s, a, b), "upside down"),
    ("10.7", against_test, "copies are made of"),
    ("10.7", lambda s, a, b: np.median(cdist(a, s).min(1)) / np.median(cdist(a, b).min(1)), "starts from"),
    ("10.7", lambda s, a, b: np.median(cdist(s, a).min(1)), "the unit is missing"),
    ("10.7", lambda s, a, b: cdist(s, a).min(1).mean() / cdist(b, a).min(1).mean(), "the median"),
    ("10.7", lambda s, a, b: np.median(cdist(s, a)) / np.median(cdist(b, a)), "not the nearest"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("10.", RIGHT, WRONG)
