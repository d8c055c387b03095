"""The exercises of lesson 08: losses, the best judge, a hinge, a penalty, classes covered, an inversion."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..core import Function, Mistake, Task


def _two(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of real and of generated images, of different number."""
    n = int(torch.randint(5, 9, (), generator=generator))
    real, fake = (2 * torch.randn(size, generator=generator) for size in (n, n + 4))
    return real + 1, fake - 1


def _one(generator: torch.Generator) -> tuple[torch.Tensor]:
    return (_two(generator)[1],)


def _softly(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _hinge(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _gradients(generator: torch.Generator) -> tuple[torch.Tensor, float]:
    batch, side = (int(torch.randint(3, 8, (), generator=generator)) for _ in range(2))
    gamma = 0.3 + 3 * float(torch.rand((), generator=generator))
    return torch.randn(batch + 8, 1, side, side, generator=generator), gamma


def _length(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.flatten(1).norm(dim=1)


def _shares(generator: torch.Generator) -> tuple[torch.Tensor]:
    n = int(torch.randint(5, 14, (), generator=generator))
    return (torch.randn(n, generator=generator).softmax(0),)


def _entropy(share: torch.Tensor) -> torch.Tensor:
    return torch.special.entr(share).sum()


def _start(generator: torch.Generator) -> tuple[Callable, torch.Tensor, torch.Tensor, float]:
    """A small decoder, a batch of images, the codes to begin with, and a learning rate."""
    batch, latent_dim = (int(torch.randint(2, 6, (), generator=generator)) for _ in range(2))
    weight = torch.randn(latent_dim, 20, generator=generator)

    def decode(z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(z @ weight).view(-1, 1, 4, 5)

    x = torch.rand(batch + 5, 1, 4, 5, generator=generator)
    rate = 0.05 + 0.2 * float(torch.rand((), generator=generator))
    return decode, x, torch.randn(batch + 5, latent_dim, generator=generator), rate


def _moved(
    decode: Callable, x: torch.Tensor, z: torch.Tensor, lr: float, *, error: Callable = torch.square
) -> torch.Tensor:
    z = z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(error(decode(z) - x).sum(), z)
    return z.detach() - lr * gradient


TASKS: dict[str, Task] = {
    "08.1": Function(
        right=_softly, inputs=_two, returns="one number, in nats", gradient=True,
        sizes=lambda real, fake: {"real images": len(real), "generated images": len(fake)},
        extremes=[(torch.tensor([300.0, -300.0]), torch.tensor([-300.0, 300.0, 0.0]))],
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is what is maximized; a loss is minus that": lambda r, f: -_softly(r, f),
            "real and fake are exchanged": lambda r, f: F.softplus(r).mean() + F.softplus(-f).mean(),
            "both halves are asked to be real; a fake costs -log(1 - D)":
                lambda r, f: F.softplus(-r).mean() + F.softplus(-f).mean(),
            "that is the half of the real images; the fakes are missing": lambda r, f: F.softplus(-r).mean(),
            "that is the half of the fakes; the real images are missing": lambda r, f: F.softplus(f).mean(),
            "each kind has a mean of its own, and the two are added; yours is the mean of the two":
                lambda r, f: _softly(r, f) / 2,
            "each kind has a mean of its own; yours is one mean over all images":
                lambda r, f: torch.cat([F.softplus(-r), F.softplus(f)]).mean(),
            "those are probabilities that the discriminator is wrong, without their logarithm":
                lambda r, f: torch.sigmoid(-r).mean() + torch.sigmoid(f).mean(),
        }.items()],
    ),
    "08.2": Function(
        right=lambda log_p, log_q: torch.sigmoid(log_p - log_q),
        inputs=lambda generator: tuple(2 * torch.randn(2, 9, generator=generator)),
        returns="a probability for each point",
        extremes=[(torch.tensor([-800.0, -800.0, 400.0]), torch.tensor([-802.0, 10.0, 300.0]))],
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the probability of a fake; p belongs above the line":
                lambda p, q: torch.sigmoid(q - p),
            "that is its logit; the task asks for the probability": lambda p, q: p - q,
            "that is the ratio of the densities, which isn't a probability": lambda p, q: (p - q).exp(),
            "these are log-densities: take their exponential before you add them": lambda p, q: p / (p + q),
            "that is the logarithm of the probability": lambda p, q: F.logsigmoid(p - q),
        }.items()],
    ),
    "08.3": Function(
        right=lambda fake: F.softplus(-fake).mean(), inputs=_one, returns="one number, in nats",
        gradient=True, sizes=lambda fake: {"images": len(fake)},
        extremes=[(torch.tensor([300.0, -300.0]),)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the minimax loss, log(1 - D): it saturates where a fake is caught":
                lambda f: -F.softplus(f).mean(),
            "that is the discriminator's wish, -log(1 - D): it would teach the generator to be caught":
                lambda f: F.softplus(f).mean(),
            "the sign: log D is what the generator maximizes": lambda f: -F.softplus(-f).mean(),
            "that is the logit; the loss is of its probability": lambda f: -f.mean(),
            "the logarithm is missing: that is -D": lambda f: -torch.sigmoid(f).mean(),
            "the logarithm is missing: that is 1 - D": lambda f: torch.sigmoid(-f).mean(),
            "the mean of the logarithms is meant, not the logarithm of the mean":
                lambda f: -torch.sigmoid(f).mean().log(),
        }.items()],
    ),
    "08.4": Function(
        right=_hinge, inputs=_two, returns="one number", gradient=True,
        sizes=lambda real, fake: {"real images": len(real), "generated images": len(fake)},
        mistakes=[Mistake(hint, does) for hint, does in {
            "real and fake are exchanged": lambda r, f: F.relu(1 + r).mean() + F.relu(1 - f).mean(),
            "the margin is missing: a logit of 0.1 is right, and not right enough":
                lambda r, f: F.relu(-r).mean() + F.relu(f).mean(),
            "nothing is cut off at 0: what is beyond the margin must cost nothing":
                lambda r, f: (1 - r).mean() + (1 + f).mean(),
            "the cut comes before the mean, for each image":
                lambda r, f: F.relu((1 - r).mean()) + F.relu((1 + f).mean()),
            "each kind has a mean of its own, and the two are added; yours is the mean of the two":
                lambda r, f: _hinge(r, f) / 2,
            "both halves are asked to be real; a fake's logit should be below -1":
                lambda r, f: F.relu(1 - r).mean() + F.relu(1 - f).mean(),
        }.items()],
    ),
    "08.5": Function(
        right=lambda gradient, gamma: gamma / 2 * _length(gradient).square().mean(), inputs=_gradients,
        returns="one number", gradient=False,
        sizes=lambda gradient, gamma: {"images": len(gradient), "pixels": gradient[0].numel()},
        mistakes=[Mistake(hint, does) for hint, does in {
            "gamma is halved": lambda g, gamma: gamma * _length(g).square().mean(),
            "gamma is left out, and its half": lambda g, gamma: _length(g).square().mean(),
            "the length is squared": lambda g, gamma: gamma / 2 * _length(g).mean(),
            "the squares of all pixels are summed; yours is their mean over the pixels":
                lambda g, gamma: gamma / 2 * g.square().mean(),
            "the mean is over the images; yours is their sum":
                lambda g, gamma: gamma / 2 * _length(g).square().sum(),
            "the square comes before the mean over images":
                lambda g, gamma: gamma / 2 * _length(g).mean().square(),
            "that pulls the length to 1, as WGAN-GP does; R1 pulls it to 0":
                lambda g, gamma: gamma / 2 * (_length(g) - 1).square().mean(),
        }.items()],
    ),
    "08.6": Function(
        right=lambda share: _entropy(share).exp(), inputs=_shares, returns="one number",
        extremes=[(torch.tensor([0.5, 0.0, 0.5]),), (torch.tensor([0.0, 1.0]),)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the entropy in nats; take its exponential": _entropy,
            "that is the entropy in bits; take 2 to its power": lambda s: _entropy(s) / math.log(2),
            "the entropy is in nats, and 2 to its power is taken: the base must be the same":
                lambda s: 2 ** _entropy(s),
            "the sign of the entropy is lost: that is one over the number": lambda s: (-_entropy(s)).exp(),
            "that is one over the sum of squares, another measure of the same":
                lambda s: 1 / s.square().sum(),
            "that counts the classes that occur at all, however rarely": lambda s: (s > 0).sum(),
        }.items()],
    ),
    "08.7": Function(
        right=_moved, inputs=_start, returns="the codes after the step, of z's shape",
        sizes=lambda decode, x, z, lr: {"images": len(x), "pixels": x[0].numel()},
        mistakes=[Mistake(hint, does) for hint, does in {
            "that goes uphill: subtract the gradient": lambda d, x, z, lr: 2 * z - _moved(d, x, z, lr),
            "the learning rate is left out": lambda d, x, z, lr: _moved(d, x, z, 1.0),
            "that is the gradient; the task asks for the codes after the step":
                lambda d, x, z, lr: z - _moved(d, x, z, 1.0),
            "that is how far the codes move; add where they were":
                lambda d, x, z, lr: _moved(d, x, z, lr) - z,
            "the error is summed over the pixels; yours is their mean":
                lambda d, x, z, lr: _moved(d, x, z, lr / x[0].numel()),
            "the error is summed over images and pixels; yours is the mean of all":
                lambda d, x, z, lr: _moved(d, x, z, lr / x.numel()),
            "each image has its own error: summed over the images, not their mean":
                lambda d, x, z, lr: _moved(d, x, z, lr / len(x)),
            "the error is squared; yours is its absolute value":
                lambda d, x, z, lr: _moved(d, x, z, lr, error=torch.abs),
            "half the squared error has half the gradient": lambda d, x, z, lr: _moved(d, x, z, lr / 2),
        }.items()],
    ),
}  # fmt: skip
