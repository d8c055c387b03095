"""The checks of lesson 08's exercises: right answers in unusual forms, and mistakes."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from judge import answers_tried

# ---- right answers, written as nobody would expect


def by_pytorch(real, fake):
    halves = zip((real, fake), (torch.ones_like(real), torch.zeros_like(fake)), strict=True)
    return sum(F.binary_cross_entropy_with_logits(*half) for half in halves)


def hinge(real, fake):
    return torch.clamp(1 - real, min=0).sum() / len(real) + torch.maximum(1 + fake, 0 * fake).mean()


def penalty(gradient, gamma):
    return gamma * torch.einsum("bchw,bchw->", gradient, gradient) / (2 * len(gradient))


def covered(share):
    some = share[share > 0].numpy()
    return float(np.prod(some**-some))


def by_hand(decode, x, z, lr):
    """Gradient descent by torch's own optimizer."""
    z = torch.nn.Parameter(z.clone())
    optimizer = torch.optim.SGD([z], lr=lr)
    ((decode(z) - x) ** 2).sum().backward()
    optimizer.step()
    return z.detach()


def step(decode, x, z, lr, reduce=torch.sum, sign=1):
    z = z.clone().requires_grad_()
    reduce((x - decode(z)).square()).backward()
    return z.detach() - sign * lr * z.grad


RIGHT = {
    "08.1": [by_pytorch, lambda r, f: -F.logsigmoid(r).mean() - F.logsigmoid(-f).mean()],
    "08.2": [
        lambda p, q: torch.exp(p - torch.logaddexp(p, q)),
        lambda p, q: torch.stack([p, q]).softmax(0)[0],
    ],
    "08.3": [
        lambda f: F.binary_cross_entropy_with_logits(f, torch.ones_like(f)),
        lambda f: -F.logsigmoid(f).mean(),
    ],
    "08.4": [hinge],
    "08.5": [penalty, lambda g, gamma: (penalty(g, gamma)).item()],
    "08.6": [covered, lambda s: torch.distributions.Categorical(probs=s).entropy().exp()],
    "08.7": [by_hand, step],
}

# ---- wrong ones, and a piece of the hint that each must get

D = torch.sigmoid
WRONG = [
    ("08.1", lambda r, f: -by_pytorch(r, f), "a loss is minus that"),
    ("08.1", lambda r, f: by_pytorch(-r, -f), "exchanged"),
    ("08.1", lambda r, f: by_pytorch(r, -f), "asked to be real"),
    ("08.1", lambda r, f: F.softplus(-r).mean(), "the fakes are missing"),
    ("08.1", lambda r, f: F.softplus(f).mean(), "the real images are missing"),
    ("08.1", lambda r, f: by_pytorch(r, f) / 2, "yours is the mean of the two"),
    ("08.1", lambda r, f: torch.cat([F.softplus(-r), F.softplus(f)]).mean(), "over all images"),
    ("08.1", lambda r, f: 1 - D(r).mean() + D(f).mean(), "without their logarithm"),
    ("08.1", lambda r, f: -D(r).log().mean() - (1 - D(f)).log().mean(), "wrong on extreme ones"),
    ("08.1", lambda r, f: by_pytorch(r, f).item(), "no gradient"),
    ("08.2", lambda p, q: q.exp() / (p.exp() + q.exp()), "p belongs above the line"),
    ("08.2", lambda p, q: p - q, "that is its logit"),
    ("08.2", lambda p, q: p.exp() / q.exp(), "the ratio of the densities"),
    ("08.2", lambda p, q: p / (q + p), "take their exponential"),
    ("08.2", lambda p, q: p - torch.logaddexp(p, q), "the logarithm of the probability"),
    ("08.2", lambda p, q: p.exp() / (p.exp() + q.exp()), "wrong on extreme ones"),
    ("08.3", lambda f: torch.log(1 - D(f)).mean(), "it saturates"),
    ("08.3", lambda f: -torch.log(1 - D(f)).mean(), "to be caught"),
    ("08.3", lambda f: torch.log(D(f)).mean(), "the sign"),
    ("08.3", lambda f: -f.sum() / len(f), "that is the logit"),
    ("08.3", lambda f: -D(f).mean(), "that is -D"),
    ("08.3", lambda f: (1 - D(f)).mean(), "that is 1 - D"),
    ("08.3", lambda f: -torch.log(D(f).mean()), "not the logarithm of the mean"),
    ("08.3", lambda f: F.softplus(-f).sum(), "images"),
    ("08.3", lambda f: F.softplus(-f).mean().item(), "no gradient"),
    ("08.4", lambda r, f: hinge(f, r), "exchanged"),
    ("08.4", lambda r, f: F.relu(-r).mean() + F.relu(f).mean(), "the margin is missing"),
    ("08.4", lambda r, f: 2 - r.mean() + f.mean(), "cut off at 0"),
    ("08.4", lambda r, f: F.relu(1 - r.mean()) + F.relu(1 + f.mean()), "before the mean"),
    ("08.4", lambda r, f: hinge(r, f) / 2, "yours is the mean of the two"),
    ("08.4", lambda r, f: hinge(r, -f), "should be below -1"),
    ("08.5", lambda g, gamma: 2 * penalty(g, gamma), "gamma is halved"),
    ("08.5", lambda g, gamma: penalty(g, 2.0), "gamma is left out"),
    ("08.5", lambda g, gamma: gamma / 2 * g.flatten(1).norm(dim=1).mean(), "the length is squared"),
    ("08.5", lambda g, gamma: gamma / 2 * (g**2).mean(), "yours is their mean over the pixels"),
    ("08.5", lambda g, gamma: gamma / 2 * (g**2).sum(), "yours is their sum"),
    ("08.5", lambda g, gamma: gamma / 2 * g.flatten(1).norm(dim=1).mean() ** 2, "before the mean over"),
    ("08.5", lambda g, gamma: gamma / 2 * ((g.flatten(1).norm(dim=1) - 1) ** 2).mean(), "WGAN-GP"),
    ("08.6", lambda s: -(s * s.log()).sum(), "the entropy in nats"),
    ("08.6", lambda s: -(s * s.log2()).sum(), "the entropy in bits"),
    ("08.6", lambda s: 2 ** -(s * s.log()).sum(), "the base must be the same"),
    ("08.6", lambda s: (s * s.log()).sum().exp(), "the sign of the entropy"),
    ("08.6", lambda s: 1 / (s**2).sum(), "the sum of squares"),
    ("08.6", lambda s: torch.count_nonzero(s), "however rarely"),
    ("08.6", lambda s: math.e ** -(s * s.log()).sum(), "wrong on extreme ones"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr, sign=-1), "uphill"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, 1), "the learning rate is left out"),
    ("08.7", lambda d, x, z, lr: z - step(d, x, z, 1), "that is the gradient"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr) - z, "add where they were"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr, lambda e: e.mean((1, 2, 3)).sum()), "over the pixels;"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr, torch.mean), "yours is the mean of all"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr, lambda e: e.sum() / len(e)), "each image has its"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr, lambda e: e.sqrt().sum()), "absolute value"),
    ("08.7", lambda d, x, z, lr: step(d, x, z, lr / 2), "half the squared error"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("08.", RIGHT, WRONG)
