"""The checks of lesson 06's exercises: right answers in unusual forms, and mistakes."""

import functools
import math

import numpy as np
import torch
from judge import answers_tried
from torch.distributions import ContinuousBernoulli

# ---- right answers, written as nobody would expect


def by_pytorch(logits):
    return ContinuousBernoulli(logits=logits)._cont_bern_log_norm()


def by_sinh(logits):
    """log of l cosh(l/2) / sinh(l/2), with the exponentials of the absolute logit, which can't overflow."""
    a = logits.abs()
    shown = torch.where(a < 1e-3, 1.0, a)
    far = torch.log(shown) + torch.log1p(torch.exp(-shown)) - torch.log(-torch.expm1(-shown))
    return torch.where(a < 1e-3, math.log(2) + logits**2 / 12, far)


def free_by_loop(kl, nats):
    total = 0.0
    for column in kl.unbind(1):
        total = total + torch.maximum(column.mean(), torch.tensor(nats))
    return total


def cycle(step, period):
    at = step - period * (step // period)
    return 1 if at >= period / 2 else at / (period / 2)


def ess(w):
    w = w.double()
    return torch.exp(2 * w.logsumexp(0) - (2 * w).logsumexp(0))


def bits(elbo, pixels, levels):
    return (-elbo + pixels * math.log(levels)) / pixels / math.log(2)


def kilobytes(elbos):
    return float(np.sum(-elbos.numpy() / np.log(256))) / 1000


RIGHT = {
    "06.1": [by_sinh, lambda logits: by_sinh(logits.double()).float()],
    "06.2": [bits, lambda e, n, m: torch.tensor(bits(e, n, m))],
    "06.3": [lambda w, b: (2 * w / b) ** -0.5, lambda w, b: math.exp(0.5 * (math.log(b) - math.log(2 * w)))],
    "06.4": [free_by_loop, lambda kl, nats: torch.relu(kl.mean(0) - nats).sum() + nats * kl.shape[1]],
    "06.5": [cycle, lambda step, period: np.clip(2 * (step % period) / period, 0, 1)],
    "06.6": [ess, lambda w: (1 / (w - w.logsumexp(0)).exp().square().sum(0)).tolist()],
    "06.7": [kilobytes, lambda e: -e.double().sum().item() / math.log(2) / 8 / 1e3],
}

# ---- wrong ones, and a piece of the hint that each must get

C = functools.partial(lambda logits, half=2: logits / torch.tanh(logits / half))
L2 = math.log(2)
WRONG = [
    ("06.1", C, "that is C"),
    ("06.1", lambda o: -C(o).log(), "the sign changes"),
    ("06.1", lambda o: C(o, half=1).log(), "half the logit"),
    ("06.1", lambda o: (torch.tanh(o / 2) / o).log(), "the sign changes"),
    ("06.1", lambda o: (C(o) / 2).log(), "C is 2 at a logit of 0"),
    ("06.1", lambda o: C(torch.sigmoid(o)).log(), "yours has p"),
    ("06.1", lambda o: C(o).log10(), "natural logarithm"),
    ("06.1", lambda o: C(o).log(), "wrong on extreme ones"),
    ("06.1", lambda o: by_sinh(o).detach(), "no gradient"),
    ("06.2", lambda e, n, m: -bits(-e, n, 1) * -1 + math.log2(m), "the sign is the ELBO's"),
    ("06.2", lambda e, n, m: bits(e, n, 1), "the unit of the greys"),
    ("06.2", lambda e, n, m: bits(e, n, 1 / m), "subtracted"),
    ("06.2", lambda e, n, m: L2 * bits(e, n, m), "these are nats, both terms"),
    ("06.2", lambda e, n, m: L2 * bits(e, n, 1) + math.log2(m), "the ELBO is still in nats"),
    ("06.2", lambda e, n, m: bits(e, n, 1) + math.log(m), "take log2 of the levels"),
    ("06.2", lambda e, n, m: bits(e, n, 1) + math.log2(m) / n, "of one pixel"),
    ("06.2", lambda e, n, m: n * bits(e, n, 1) + math.log2(m), "for the whole image; divide the ELBO"),
    ("06.2", lambda e, n, m: n * bits(e, n, m), "greys and all"),
    ("06.2", lambda e, n, m: -e * L2 / n + math.log2(m), "nats times ln 2"),
    ("06.3", lambda w, b: b / (2 * w), "that is sigma²"),
    ("06.3", lambda w, b: (b / w) ** 0.5, "the ½ of the Gaussian"),
    ("06.3", lambda w, b: (2 * w) ** -0.5, "KL's weight is left out"),
    ("06.3", lambda w, b: (2 * w * b) ** -0.5, "wrong side"),
    ("06.3", lambda w, b: (2 * w / b) ** 0.5, "upside down"),
    ("06.3", lambda w, b: 2 * w / b, "1 / sigma²"),
    ("06.3", lambda w, b: (b / 2) ** 0.5, "squared error's weight is left out"),
    ("06.3", lambda w, b: (2 * b / w) ** 0.5, "belongs below the line"),
    ("06.4", lambda kl, nats: kl.clamp(min=nats).sum() / len(kl), "mean over the batch first"),
    ("06.4", lambda kl, nats: torch.clamp(kl.sum() / len(kl), min=nats), "one for their sum"),
    ("06.4", lambda kl, nats: kl.mean(0).clamp(max=nats).sum(), "caps"),
    ("06.4", lambda kl, nats: torch.relu(kl.mean(0) - nats).sum(), "subtracted"),
    ("06.4", lambda kl, nats: kl.sum() / len(kl), "without any free nats"),
    ("06.4", lambda kl, nats: kl.mean(0).clamp(min=nats / kl.shape[1]).sum(), "shares one"),
    ("06.4", lambda kl, nats: kl.mean(1).clamp(min=nats).sum(), "the other way round"),
    ("06.4", lambda kl, nats: kl.mean(0).clamp(min=nats).mean(), "number of latent dimensions"),
    ("06.4", lambda kl, nats: free_by_loop(kl, nats).item(), "no gradient"),
    ("06.5", lambda s, p: s % p / p, "over the whole period; it"),
    ("06.5", lambda s, p: min(1, s / (p / 2)), "rises once and stays"),
    ("06.5", lambda s, p: min(1, s / p), "over a whole period"),
    ("06.5", lambda s, p: 1 - abs(s % p - p / 2) / (p / 2), "doesn't fall again"),
    ("06.5", lambda s, p: s % p / (p / 2), "beyond 1"),
    ("06.5", lambda s, p: 1 - cycle(s, p), "upside down"),
    ("06.5", lambda s, p: cycle(s, p / 2), "half as long"),
    ("06.6", lambda w: 1 / ess(w), "upside down"),
    ("06.6", lambda w: 1 / (w.softmax(1) ** 2).sum(0), "normalized over the images"),
    ("06.6", lambda w: 1 / (w.softmax(0) ** 2).sum(1), "the sum runs over the images"),
    ("06.6", lambda w: 1 / w.exp().pow(2).sum(0), "aren't normalized"),
    ("06.6", lambda w: w.exp().sum(0) / w.exp().pow(2).sum(0), "squared, too"),
    ("06.6", lambda w: torch.distributions.Categorical(logits=w.T).entropy().exp(), "entropy"),
    ("06.6", lambda w: 1 / w.softmax(0).max(0).values, "one over the largest"),
    ("06.6", lambda w: w.sum(0) ** 2 / (w**2).sum(0), "take their exponential"),
    ("06.6", lambda w: ess(w).mean(), "for each image"),
    ("06.6", lambda w: w.exp().sum(0) ** 2 / w.exp().pow(2).sum(0), "wrong on extreme ones"),
    ("06.7", lambda e: 8 * kilobytes(e), "kilobits"),
    ("06.7", lambda e: 1000 * kilobytes(e), "in bytes"),
    ("06.7", lambda e: kilobytes(e) / 1.024, "kibibyte"),
    ("06.7", lambda e: kilobytes(e) * L2, "taken for bits"),
    ("06.7", lambda e: kilobytes(e) / len(e), "one image's"),
    ("06.7", lambda e: kilobytes(e) * L2**2, "times ln 2"),
    ("06.7", lambda e: 8000 * kilobytes(e), "that is in bits"),
    ("06.7", lambda e: -kilobytes(e), "wrong sign"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("06.", RIGHT, WRONG)
