"""The checks of lesson 09's exercises: right answers in unusual forms, and mistakes."""

import numpy as np
import torch
from judge import answers_tried
from scipy import stats

# ---- right answers, written as nobody would expect


def explained(seen, x):
    flat, real = seen.flatten(1).double(), x.flatten(1).double()
    return (1 - ((flat - real) ** 2).sum() / real.var(0, correction=0).mul(len(real)).sum()).item()


def by_scipy(k, middle, scale):
    """The survival function from the middle upwards: no difference of two numbers near 1."""
    k, logistic = k.double().numpy(), stats.logistic(middle, scale)
    low = np.where(k == 0, -np.inf, (k - 0.5) / 255)
    high = np.where(k == 255, np.inf, (k + 0.5) / 255)
    above = logistic.sf(low) - logistic.sf(high)
    return np.log(np.where(low > middle, above, logistic.cdf(high) - logistic.cdf(low)))


def least(images, p):
    return sum(p @ images.square()) - (p @ images).square().sum()


RIGHT = {
    "09.1": [explained, lambda seen, x: 1 - (seen - x).norm() ** 2 / (x - x.mean(0)).norm() ** 2],
    "09.2": [lambda k, u: k.double() / 256 + u / 256, lambda k, u: ((k.int() + u) / 256).tolist()],
    "09.3": [by_scipy],
    "09.4": [lambda y, x: (y - x).norm() / len(x) ** 0.5],
    "09.5": [least, lambda images, p: 0.5 * (p[:, None] * p * torch.cdist(images, images) ** 2).sum()],
    "09.6": [lambda beta, copies: 1 / (copies / beta)],
}

# ---- wrong ones, and a piece of the hint that each must get


def mse(y, x):
    return ((y - x) ** 2).mean()


def cut(k, m, s, half=0.5, top=255):
    return torch.sigmoid(((k + half) / top - m) / s) - torch.sigmoid(((k - half) / top - m) / s)


def tails(k, m, s, half=0.5, top=255):
    low, high = torch.where(k == 0, -1e9, k - half), torch.where(k == 255, 1e9, k + half)
    return torch.sigmoid((high / top - m) / s) - torch.sigmoid((low / top - m) / s)


def density(k, m, s):
    return torch.tensor(stats.logistic(m, s).pdf(k.numpy() / 255))


def cost(images, p, shown):
    return p @ ((images - shown) ** 2).sum(1)


WRONG = [
    ("09.1", lambda y, x: mse(y, x) / x.var(0, correction=0).mean(), "what is explained"),
    ("09.1", lambda y, x: 1 - mse(y, x) / x.var(correction=0), "each pixel has its own mean"),
    ("09.1", lambda y, x: 1 - mse(y, x) / y.var(0, correction=0).mean(), "of the reconstructions"),
    ("09.1", lambda y, x: 1 - (y - x).norm() / (x - x.mean(0)).norm(), "roots are taken"),
    ("09.1", lambda y, x: 1 - x.var(0, correction=0).mean() / mse(y, x), "upside down"),
    ("09.1", lambda y, x: 1 - mse(y, x) / x.flatten(1).var(1, correction=0).mean(), "each image has"),
    ("09.2", lambda k, u: (k + u) / 255, "reach beyond 1"),
    ("09.2", lambda k, u: k / 256 + u, "as wide as the whole range"),
    ("09.2", lambda k, u: k / 255 + u, "divided by 255 already"),
    ("09.2", lambda k, u: (k + u - 0.5) / 256, "centred"),
    ("09.2", lambda k, u: k + u, "up to 256"),
    ("09.2", lambda k, u: k / 256, "noise is gone"),
    ("09.3", lambda k, m, s: tails(k, m, s), "those are probabilities"),
    ("09.3", lambda k, m, s: cut(k, m, s).log(), "have the tails"),
    ("09.3", lambda k, m, s: tails(k, m, s, half=1).log(), "two levels wide"),
    ("09.3", lambda k, m, s: tails(k, m, s, top=256).log(), "white is 1"),
    ("09.3", lambda k, m, s: density(k, m, s).log(), "that is the density;"),
    ("09.3", lambda k, m, s: tails(k, m, s).log2(), "natural logarithm"),
    ("09.3", lambda k, m, s: tails(k, m, s).log(), "wrong on extreme ones"),
    ("09.4", lambda y, x: ((y - x) ** 2).mean(), "that is sigma²"),
    ("09.4", lambda y, x: (y - x).std(correction=0), "taken away first"),
    ("09.4", lambda y, x: (y - x).abs().mean(), "absolute"),
    ("09.4", lambda y, x: (y - x).norm(), "mean over the pixels"),
    ("09.4", lambda y, x: x.std(correction=0), "spread of the images"),
    ("09.5", lambda i, p: cost(i, p, i.mean(0)), "plain mean"),
    ("09.5", lambda i, p: cost(i, p, i[p.argmax()]), "likeliest image"),
    ("09.5", lambda i, p: (p[:, None] * p * torch.cdist(i, i) ** 2).sum(), "drawn at random"),
    ("09.5", lambda i, p: ((i - p @ i) ** 2).sum(1).mean(), "has its probability"),
    ("09.6", lambda b, n: b * n, "the wrong way round"),
    ("09.6", lambda b, n: b / n**0.5, "by their root"),
    ("09.6", lambda b, n: b / (n - 1) if n > 1 else b, "what there was before"),
    ("09.6", lambda b, n: b, "depend on the copies"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("09.", RIGHT, WRONG)
