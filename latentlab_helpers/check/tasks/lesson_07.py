"""The exercises of lesson 07: a label beside numbers, its worth, a missing one, obedience, a hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..core import Function, Mistake, Task, Value, whole


def _values(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
    batch, n, classes = whole(generator, 5, 9), whole(generator, 2, 5), whole(generator, 6, 11)
    labels = torch.randint(1, classes - 1, (batch,), generator=generator)  # the last class is absent
    return torch.randn(batch, n, generator=generator), labels, classes


def _told(values: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.cat([values, F.one_hot(labels, classes).to(values.dtype)], dim=1)


def _counts(generator: torch.Generator) -> tuple[torch.Tensor]:
    return (torch.randint(1, 900, (whole(generator, 3, 12),), generator=generator),)


def _entropy(counts: torch.Tensor) -> torch.Tensor:
    share = counts / counts.sum()
    return torch.special.entr(share).sum()


def _bounds(generator: torch.Generator) -> tuple[torch.Tensor]:
    batch, classes = whole(generator, 4, 8), whole(generator, 9, 13)
    return (20 + 3 * torch.randn(batch, classes, generator=generator),)


def _bounds_and_belief(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    (bounds,) = _bounds(generator)
    return bounds, torch.randn(bounds.shape, generator=generator).softmax(1)


def _summed(bounds: torch.Tensor, belief: torch.Tensor) -> torch.Tensor:
    return (belief * bounds - torch.special.entr(belief)).sum(1)


def _best(bounds: torch.Tensor) -> torch.Tensor:
    return (-bounds).softmax(1)


def _decoded(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, asked labels and own ones: some obeyed, some not, some never told anything new."""
    n, classes = whole(generator, 60, 90), whole(generator, 4, 8)
    asked, own = torch.randint(classes, (2, n), generator=generator)
    chance = torch.rand(n, generator=generator)
    read = torch.where(chance < 0.6, asked, torch.where(chance < 0.8, own, (own + 1) % classes))
    return 4 * F.one_hot(read, classes) + torch.rand(n, classes, generator=generator), asked, own


def _obeyed(logits: torch.Tensor, asked: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    return (logits.argmax(1) == asked)[asked != own].float().mean()


def _hands(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """An attribute of digits that went in and of those that came out, and the classes of both."""
    n = whole(generator, 70, 100)
    classes = torch.randint(4, (2, n), generator=generator)
    hand, noise = torch.randn(2, n, generator=generator)
    levels = 3 * torch.randn(4, generator=generator)
    return 2 * hand + levels[classes[0]], hand + 0.7 * noise + levels[classes[1]], *classes


def _within(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    means = torch.stack([values[labels == label].mean() for label in range(4)])
    return values - means[labels]


def _kept(a: torch.Tensor, b: torch.Tensor, of_a: torch.Tensor, of_b: torch.Tensor) -> torch.Tensor:
    return torch.corrcoef(torch.stack([_within(a, of_a), _within(b, of_b)]))[0, 1]


def _pearson(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.corrcoef(torch.stack([a, b]))[0, 1]


TASKS: dict[str, Task] = {
    "07.1": Function(
        right=_told, inputs=_values, returns="the numbers and then a number for each class", gradient=True,
        mistakes=[Mistake(hint, does) for hint, does in {
            "the label stands before the numbers; it goes behind them":
                lambda v, y, k: torch.cat([F.one_hot(y, k).to(v), v], 1),
            "the label went in as one number, so that class 8 is twice a 4; each class needs a number of its "
            "own": lambda v, y, k: torch.cat([v, y[:, None].to(v)], 1),
            "the class has the 0 and the others the 1; it is the other way round":
                lambda v, y, k: torch.cat([v, 1 - F.one_hot(y, k).to(v)], 1),
            "classes count from 0; yours stand one place too far to the left":
                lambda v, y, k: torch.cat([v, F.one_hot(y - 1, k).to(v)], 1),
            "the label alone came back, without the numbers": lambda v, y, k: F.one_hot(y, k).to(v),
            "there are as many numbers as labels occur; the task says how many classes there are":
                lambda v, y, k: torch.cat([v, F.one_hot(y, int(y.max()) + 1).to(v)], 1),
        }.items()],
    ),
    "07.2": Function(
        right=_entropy, inputs=_counts, returns="one number, in nats",
        sizes=lambda counts: {"classes": len(counts), "images": int(counts.sum())},
        extremes=[(torch.tensor([7, 0, 5]),), (torch.tensor([9, 0]),)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is in bits; nats take the natural logarithm":
                lambda c: _entropy(c) / torch.tensor(2.0).log(),
            "that is the logarithm of the number of classes, the most that it can be; it is less if they "
            "aren't equally frequent": lambda c: torch.tensor(len(c)).log(),
            "the sign: a logarithm of a share is negative": lambda c: -_entropy(c),
            "each class counts by its share; yours all count the same":
                lambda c: -(c / c.sum()).log().mean(),
            "the counts went in without being divided by their sum": lambda c: -(c * c.log()).sum(),
            "that is the number of equally frequent classes, the exponential of what is asked":
                lambda c: _entropy(c).exp(),
            "that is what the most frequent class tells; take the mean over all":
                lambda c: -(c.max() / c.sum()).log(),
        }.items()],
    ),
    "07.3": Function(
        right=_summed, inputs=_bounds_and_belief, returns="one number for each image",
        sizes=lambda bounds, _: {"images": len(bounds), "classes": bounds.shape[1]},
        extremes=[(torch.tensor([[90.0, 120.0, 95.0]]), torch.tensor([[1.0, 0.0, 0.0]]))],
        mistakes=[Mistake(hint, does) for hint, does in {
            "the second term is missing: log q(y|x) stands in the bracket, too":
                lambda b, q: (q * b).sum(1),
            "the sign of log q(y|x): it is added": lambda b, q: (q * (b - q.log())).sum(1),
            "log q(y|x) is weighed by q(y|x), like the bound": lambda b, q: (q * b + q.log()).sum(1),
            "the most probable class alone was taken; all of them count, by their belief":
                lambda b, q: b.gather(1, q.argmax(1, keepdim=True))[:, 0],
            "all classes count the same in yours; weigh them by q(y|x)": lambda b, q: b.mean(1),
            "the sum runs over the images; it should run over the classes, dim 1":
                lambda b, q: (q * (b + q.log())).sum(0),
            "that is the best that any q could do; the task asks for this one":
                lambda b, q: -(-b).logsumexp(1),
        }.items()],
    ),
    "07.4": Function(
        right=_best, inputs=_bounds, returns="a belief for each image and class",
        extremes=[(torch.tensor([[900.0, 1000.0, 5000.0]]),), (torch.tensor([[-800.0, -801.0]]),)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "the sign: a small bound is a good explanation, and should be believed": lambda b: b.softmax(1),
            "the beliefs of one image add up to 1, over the classes; yours do over the images":
                lambda b: (-b).softmax(0),
            "all belief is in the best class; the others keep some, by how much worse they are":
                lambda b: F.one_hot(b.argmin(1), b.shape[1]).float(),
            "that is in proportion to 1 / L; nats are logarithms: take exp(-L)":
                lambda b: (1 / b) / (1 / b).sum(1, keepdim=True),
            "these are logarithms of the beliefs": lambda b: (-b).log_softmax(1),
            "the beliefs don't add up to 1: divide by their sum": lambda b: (-b).exp(),
        }.items()],
    ),
    "07.5": Function(
        right=_obeyed, inputs=_decoded, returns="one share",
        sizes=lambda logits, asked, own: {"images": len(logits), "classes": logits.shape[1]},
        mistakes=[Mistake(hint, does) for hint, does in {
            "the images that were asked for their own class are counted, too; those obey for free":
                lambda o, a, own: (o.argmax(1) == a).float().mean(),
            "that is the share that kept its own class": lambda o, a, own:
                (o.argmax(1) == own)[a != own].float().mean(),
            "they are left out above the line, but not below it: divide by the number of those that are left":
                lambda o, a, own: ((o.argmax(1) == a) & (a != own)).float().mean(),
            "that is the mean probability of the class that was asked for; count the images instead":
                lambda o, a, own: o.softmax(1).gather(1, a[:, None])[a != own].mean(),
            "that is the share that changed, to whatever class": lambda o, a, own:
                (o.argmax(1) != own)[a != own].float().mean(),
            "that is the share that disobeyed": lambda o, a, own: 1 - _obeyed(o, a, own),
        }.items()],
    ),
    "07.6": Function(
        right=_kept, inputs=_hands, returns="one correlation", rel=2e-3,
        sizes=lambda a, *_: {"images": len(a)},
        mistakes=[Mistake(hint, does) for hint, does in {
            "the classes' own levels are still in it: measure each digit from the mean of its class":
                lambda a, b, of_a, of_b: _pearson(a, b),
            "what came out has another class than what went in: take its own class's mean":
                lambda a, b, of_a, of_b: _pearson(_within(a, of_a), _within(b, of_a)),
            "what went in has another class than what came out: take its own class's mean":
                lambda a, b, of_a, of_b: _pearson(_within(a, of_b), _within(b, of_b)),
            "only what went in is measured from its class's mean":
                lambda a, b, of_a, of_b: _pearson(_within(a, of_a), b),
            "only what came out is measured from its class's mean":
                lambda a, b, of_a, of_b: _pearson(a, _within(b, of_b)),
            "that is the covariance: divide it by both standard deviations": lambda a, b, of_a, of_b:
                torch.stack([_within(a, of_a), _within(b, of_b)]).cov()[0, 1],
            "that is r², a share of the variance; the task asks for r":
                lambda a, b, of_a, of_b: _kept(a, b, of_a, of_b).square(),
        }.items()],
    ),
    "07.7": Value(
        right="b",
        mistakes={
            "a": "a decoder that can't draw would fail on the digit's own class, too; it hardly ever does",
            "c": "if all codes lay in one place, nothing but the label could be obeyed",
            "d": "the same ten numbers are obeyed far more often once the encoder has them, too",
        },
    ),
}  # fmt: skip
