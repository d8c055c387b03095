"""The checks of lesson 07's exercises: right answers in unusual forms, and mistakes."""

import math

import numpy as np
import torch
from judge import answers_tried
from scipy.stats import entropy, pearsonr
from torch.nn.functional import one_hot

# ---- right answers, written as nobody would expect


def told_by_loop(values, labels, classes):
    rows = [
        [*row, *(1.0 * (k == int(y)) for k in range(classes))] for row, y in zip(values, labels, strict=True)
    ]
    return torch.stack([torch.stack([torch.as_tensor(one) for one in row]) for row in rows])


def summed(bounds, belief):
    """The bound is that of the best belief, and the KL from it."""
    best = (-bounds).log_softmax(1)
    kl = torch.where(belief > 0, belief * (belief.clamp(min=1e-30).log() - best), 0.0).sum(1)
    return kl - (-bounds).logsumexp(1)


def best(bounds):
    odds = torch.exp(bounds[:, :1] - bounds.double()) if bounds.abs().max() < 300 else None
    if odds is None:
        return torch.exp((-bounds) - torch.logsumexp(-bounds, dim=1, keepdim=True))
    return (odds / odds.sum(1, keepdim=True)).float()


def obeyed(logits, asked, own):
    right = new = 0
    for row, a, o in zip(logits.tolist(), asked.tolist(), own.tolist(), strict=True):
        new += a != o
        right += a != o and row.index(max(row)) == a
    return right / new


def within(values, labels):
    values = values.double().numpy().copy()
    for label in np.unique(labels):
        values[labels.numpy() == label] -= values[labels.numpy() == label].mean()
    return values


def kept(a, b, of_a, of_b):
    return pearsonr(within(a, of_a), within(b, of_b)).statistic


RIGHT = {
    "07.1": [told_by_loop, lambda v, y, k: torch.hstack([v, torch.eye(k)[y]])],
    "07.2": [lambda c: entropy(c.numpy()), lambda c: c.sum().log() - torch.xlogy(c, c).sum() / c.sum()],
    "07.3": [summed, lambda b, q: (q * b).sum(1) + torch.xlogy(q, q).sum(1)],
    "07.4": [best],
    "07.5": [obeyed, lambda o, a, own: np.mean((o.argmax(1) == a)[a != own].tolist())],
    "07.7": ["B", "(b)."],
    "07.6": [kept, lambda a, b, p, q: np.corrcoef(within(a, p), within(b, q))[1, 0]],
}

# ---- wrong ones, and a piece of the hint that each must get

H = RIGHT["07.2"][1]
WRONG = [
    ("07.1", lambda v, y, k: torch.hstack([torch.eye(k)[y], v]), "before the numbers"),
    ("07.1", lambda v, y, k: torch.hstack([v, y.float()[:, None]]), "as one number"),
    ("07.1", lambda v, y, k: torch.hstack([v, 1 - torch.eye(k)[y]]), "the other way round"),
    ("07.1", lambda v, y, k: torch.hstack([v, torch.eye(k)[y - 1]]), "count from 0"),
    ("07.1", lambda v, y, k: torch.eye(k)[y], "without the numbers"),
    ("07.1", lambda v, y, k: torch.hstack([v, one_hot(y, k + 3)[:, : y.max() + 1]]), "labels occur"),
    ("07.1", lambda v, y, k: told_by_loop(v, y, k).detach(), "no gradient"),
    ("07.2", lambda c: entropy(c.numpy(), base=2), "in bits"),
    ("07.2", lambda c: math.log(len(c)), "the most that it can be"),
    ("07.2", lambda c: -H(c), "the sign"),
    ("07.2", lambda c: (c.sum() / c).log().mean(), "by its share"),
    ("07.2", lambda c: -torch.xlogy(c, c).sum(), "divided by their sum"),
    ("07.2", lambda c: H(c).exp(), "the exponential"),
    ("07.2", lambda c: math.log(c.sum() / c.max()), "most frequent class"),
    ("07.2", lambda c: -(c / c.sum() * (c / c.sum()).log()).sum(), "wrong on extreme ones"),
    ("07.3", lambda b, q: torch.einsum("nk,nk->n", b, q), "second term is missing"),
    ("07.3", lambda b, q: (q * b - torch.xlogy(q, q)).sum(1), "it is added"),
    ("07.3", lambda b, q: (q * b).sum(1) + q.log().sum(1), "weighed by q(y|x), like"),
    ("07.3", lambda b, q: b[torch.arange(len(b)), q.argmax(1)], "most probable class alone"),
    ("07.3", lambda b, q: b.sum(1) / b.shape[1], "count the same"),
    ("07.3", lambda b, q: (q * b + torch.xlogy(q, q)).sum(0), "over the images"),
    ("07.3", lambda b, q: -torch.logsumexp(-b, 1), "any q could do"),
    ("07.3", lambda b, q: (q * (b + q.log())).sum(1), "wrong on extreme ones"),
    ("07.3", lambda b, q: summed(b, q).mean(), "one number comes back"),
    ("07.4", lambda b: torch.softmax(b, 1), "a small bound"),
    ("07.4", lambda b: torch.softmax(-b, 0), "over the images"),
    ("07.4", lambda b: torch.eye(b.shape[1])[b.argmin(1)], "in the best class"),
    ("07.4", lambda b: b.reciprocal() / b.reciprocal().sum(1, keepdim=True), "exp(-L)"),
    ("07.4", lambda b: torch.log_softmax(-b, 1), "logarithms of the beliefs"),
    ("07.4", lambda b: torch.exp(-b), "add up to 1"),
    ("07.4", lambda b: torch.exp(-b) / torch.exp(-b).sum(1, keepdim=True), "wrong on extreme ones"),
    ("07.5", lambda o, a, own: (o.argmax(1) == a).float().mean(), "obey for free"),
    ("07.5", lambda o, a, own: (o.argmax(1) == own)[a != own].float().mean(), "kept its own"),
    ("07.5", lambda o, a, own: obeyed(o, a, own) * (a != own).float().mean(), "not below it"),
    ("07.5", lambda o, a, own: (o.softmax(1) * one_hot(a, o.shape[1])).sum(1)[a != own].mean(), "mean prob"),
    ("07.5", lambda o, a, own: (o.argmax(1) != own)[a != own].float().mean(), "changed"),
    ("07.5", lambda o, a, own: 1 - obeyed(o, a, own), "disobeyed"),
    ("07.6", lambda a, b, p, q: pearsonr(a, b).statistic, "still in it"),
    ("07.6", lambda a, b, p, q: kept(a, b, p, p), "what came out has another"),
    ("07.6", lambda a, b, p, q: kept(a, b, q, q), "what went in has another"),
    ("07.6", lambda a, b, p, q: pearsonr(within(a, p), b).statistic, "only what went in"),
    ("07.6", lambda a, b, p, q: pearsonr(a, within(b, q)).statistic, "only what came out"),
    ("07.6", lambda a, b, p, q: np.cov(within(a, p), within(b, q))[0, 1], "covariance"),
    ("07.6", lambda a, b, p, q: kept(a, b, p, q) ** 2, "r²"),
    ("07.7", "A", "own class, too"),
    ("07.7", "c", "nothing but the label"),
    ("07.7", "D", "the same ten numbers"),
    ("07.7", "E", "to choose from"),
    ("07.7", 2, "a letter in quotes"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("07.", RIGHT, WRONG)
