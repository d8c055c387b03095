"""What lesson 04's checks are made of: fresh codes and labels, and neighbours in all their variants."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from itertools import cycle, product
from typing import Any, cast

import torch
from scipy import stats

from ... import checkpoints, datasets, metrics
from ...models import Autoencoder
from ..core import Mistake, whole

# So that no number fits all inputs of a check, and both kinds are the rarer one in half of them
K_OF_PCA, K_OF_VOTES, K_OF_MAPS, K_OF_CHANCE = (
    cycle(k) for k in ((2, 5, 3, 7, 4), (5, 9, 7), (4, 7, 5, 8), (5, 3, 11, 7, 9))
)
FEWER_CODES = cycle((True, False, False, True))


def scattered(generator: torch.Generator) -> tuple[torch.Tensor]:
    """So many codes that it doesn't matter whether a variance divides by n or by n - 1."""
    n, d = whole(generator, 2000, 4000), whole(generator, 3, 12)
    width, place = 0.3 + 3 * torch.rand(d, generator=generator), 4 * torch.randn(d, generator=generator)
    return (torch.randn(n, d, generator=generator).exp() * width + place,)


def codes_for_pca(generator: torch.Generator) -> tuple[torch.Tensor, int]:
    n, d, k = whole(generator, 40, 90), whole(generator, 9, 14), next(K_OF_PCA)
    widths = torch.linspace(2, 0.3, d)[torch.randperm(d, generator=generator)]
    turn = torch.randn(d, d, generator=generator) * widths
    return torch.randn(n, d, generator=generator) @ turn + 4 * torch.rand(d, generator=generator), k


def explained(codes: torch.Tensor, k: int, *, power: int = 2, centre: bool = True) -> torch.Tensor:
    values = torch.linalg.svdvals(codes.double() - codes.double().mean(0) * centre) ** power
    return values[:k].sum() / values.sum()


def counts(generator: torch.Generator) -> tuple[int, int, int]:
    """Large counts, so that it doesn't matter whether a neighbour is put back."""
    few, many = whole(generator, 20_000, 40_000), whole(generator, 50_000, 90_000)
    a, b = (few, many) if next(FEWER_CODES) else (many, few)
    return a, b, next(K_OF_CHANCE)


def vote(p: float, k: int) -> float:
    """How often more than half of k neighbours are of a kind that makes up the share p."""
    return float(stats.binom.sf(k // 2, k, p))


def shares(a: int, b: int) -> tuple[float, float]:
    return a / (a + b), b / (a + b)


def chance(a: int, b: int, k: int) -> float:
    return sum(p * vote(p, k) for p in shares(a, b))


def chance_mistakes() -> list[Mistake]:
    """From how often codes win the vote, which a single call of binom.sf gives, to wrong answers."""

    def made(hint: str, how: Callable[..., float], at: int = 0, pmf: bool = False) -> Mistake:
        def does(a: int, b: int, k: int) -> float:
            p = a / (a + b)
            return how(
                p, float(stats.binom.pmf(k // 2 + 1, k, p) if pmf else stats.binom.sf(k // 2 + at, k, p))
            )

        return Mistake(hint, does)

    def right(p: float, win: float) -> float:
        return p * win + (1 - p) * (1 - win)

    def ratio(a: int, b: int, k: int) -> float:
        return right(a / b, vote(a / b, k)) if a < b else right(b / a, vote(b / a, k))

    bound = "the majority begins one vote too {}: sf(i, …) is the probability of more than i"
    return [
        made("that is only the case of a code which is taken for one; a draw may be taken for one, too",
             lambda p, win: p * win),
        made("that is only the case of a draw which is taken for one; a code may be taken for one, too",
             lambda p, win: (1 - p) * (1 - win)),
        made(bound.format("late"), right, at=1),
        made(bound.format("early"), right, at=-1),
        made("pmf counts one number of votes only; a larger majority wins as well", right, pmf=True),
        made("each case must be weighted by how often it comes up: a code with p, a draw with 1 - p",
             lambda p, win: win * win + (1 - win) * (1 - win)),
        made("that is how often the larger kind wins the vote; it is right only if the new point is of that "
             "kind", lambda p, win: max(win, 1 - win)),
        Mistake("p is the share of codes among all, not the ratio of the two numbers", ratio),
    ]  # fmt: skip


def whitened(codes: torch.Tensor, *, symmetric: bool = False) -> torch.Tensor:
    z = codes.double() - codes.double().mean(0)
    if symmetric:
        values, axes = torch.linalg.eigh(z.T.cov())
        return z @ axes / values.sqrt() @ axes.T
    return torch.linalg.solve_triangular(torch.linalg.cholesky(z.T.cov()), z.T, upper=False).T


def near(codes: torch.Tensor, k: int, me: int = 1, *, far: bool = False) -> torch.Tensor:
    """Each point's k nearest others, nearest first; me=0: itself is the first of them."""
    distances = torch.cdist(codes, codes, compute_mode="donot_use_mm_for_euclid_dist")
    distances.fill_diagonal_(-1)
    return distances.argsort(1, descending=far)[:, : k if far else k + me][:, 0 if far else me :]


def clusters(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Two kinds that overlap, and more of one, so that no two ways of voting agree."""
    n, d = whole(generator, 80, 130), whole(generator, 3, 7)
    labels = torch.where(torch.rand(n, generator=generator) < 0.6, 4, 9)
    codes = torch.randn(n, d, generator=generator, dtype=torch.float64)
    codes[:, 0] += 0.35 * labels
    return codes, labels, next(K_OF_VOTES)


def both(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """How many of each point's neighbours are in both lists."""
    return (first[:, :, None] == second[:, None]).double().sum((1, 2))


BESIDE_OTHERS = "each code votes for itself, beside k others"
VOTES: list[tuple[str, Callable[..., Any]]] = [
    ("", lambda hits, *_: hits.double().mean(1) > 0.5),
    ("", lambda hits, *_: hits.double().mean(1) >= 0.5),  # where votes can be tied: with one more or less
    ("", lambda hits, found, mine: found.mode(1).values == mine),
    (
        "",
        lambda hits, found, mine: (
            torch.tensor([Counter(row).most_common(1)[0][0] for row in found.tolist()]) == mine
        ),
    ),
    ("one neighbour of the right label is enough there; the majority decides", lambda hits, *_: hits.any(1)),
    ("all neighbours must be of the right label there; the majority decides", lambda hits, *_: hits.all(1)),
    ("only the nearest neighbour decides; all k vote", lambda hits, *_: hits[:, 0]),
    (
        "that is the share of neighbours with the same label; let them vote, and count the right votes",
        lambda hits, *_: hits.double().mean(1),
    ),
]
ROWS: dict[str, Callable[[torch.Tensor, int], torch.Tensor]] = {
    "": lambda codes, k: near(codes, k),
    "each code is its own nearest neighbour there, and votes for itself": lambda codes, k: near(codes, k, 0),
    BESIDE_OTHERS: lambda codes, k: near(codes, k + 1, 0),
    "the code itself is left out, and one neighbour too few votes": lambda codes, k: near(codes, k - 1),
    "one neighbour too many votes": lambda codes, k: near(codes, k + 1),
    "these are the farthest codes, sorted the wrong way round": lambda codes, k: near(codes, k, far=True),
    "the nearest other code is left out, too": lambda codes, k: near(codes, k + 1)[:, 1:],
}


def _knn(rows: Callable[..., torch.Tensor], votes: Callable[..., Any]) -> Callable[..., float]:
    def share(codes: torch.Tensor, labels: torch.Tensor, k: int) -> float:
        found = labels[rows(codes, k)]
        return float(torch.as_tensor(votes(found == labels[:, None], found, labels)).float().mean())

    return share


accuracy = _knn(ROWS[""], VOTES[0][1])


def _first(codes: torch.Tensor, labels: torch.Tensor, k: int) -> bool:
    return bool((labels[near(codes, k)[0]] == labels[0]).double().mean() > 0.5)


def knn_mistakes() -> list[Mistake]:
    made = []
    for (who, rows), (how, votes) in product(ROWS.items(), VOTES):
        if who == BESIDE_OTHERS and votes in (VOTES[0][1], VOTES[1][1], VOTES[3][1]):
            continue  # one more vote, and one more needed: that is right; and where ties count, see below
        if hints := [hint for hint in (who, how) if hint]:
            made.append((len(hints), "; besides, ".join(hints), _knn(rows, votes)))
    return [Mistake(hint, does) for _, hint, does in sorted(made, key=lambda each: each[0])] + [
        Mistake("that is how often the vote is wrong", lambda *case: 1 - accuracy(*case)),
        Mistake(
            "a majority of k neighbours is k // 2 + 1 of them, or more; more than that are asked for",
            _knn(ROWS[""], lambda hits, *_: hits.sum(1) > hits.shape[1] // 2 + 1),
        ),
        Mistake(
            "half of the votes, k // 2, already count as a majority, or each code votes for itself, beside k "
            "others",
            _knn(ROWS[""], lambda hits, *_: hits.sum(1) >= hits.shape[1] // 2),
        ),
        Mistake(
            "only the first code is looked at: the return stands inside of the loop",
            lambda codes, labels, k: float(_first(codes, labels, k)) / len(codes),
        ),
        Mistake(
            "every vote goes to the most common label of all codes: only the neighbours' labels count",
            lambda codes, labels, k: float((labels == labels.mode().values).float().mean()),
        ),
    ]


def pairs(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
    n, d = whole(generator, 60, 90), whole(generator, 4, 9)
    codes = torch.randn(n, d, generator=generator, dtype=torch.float64) * torch.linspace(2, 0.5, d)
    places = codes[:, :2] + 0.4 * torch.randn(n, 2, generator=generator)
    return codes, places, next(K_OF_MAPS)


@functools.cache
def map_of_digits(
    way: str = "",
    k: int = 5,
    me: int = 1,
    model: str = "vae_mlp_16",
    *,
    images: int = 1000,
    part: str = "test",
    far: bool = False,
    same_rank: bool = False,
) -> float:
    """The share of neighbours among a thousand codes that a flat map of them keeps; or another number."""
    digits = datasets.load("mnist", part)
    some, labels = digits.images[:images], digits.labels[:images]
    codes = metrics.embed(cast(Autoencoder, checkpoints.load(model)), some).double()
    if way == "standardized":
        codes = (codes - codes.mean(0)) / codes.std(0)
    seen = datasets.to_float(some).flatten(1).double() if way in ("images", "pixels") else codes
    codes = seen if way == "pixels" else codes
    if way == "variance":
        return float(explained(codes, 2))
    turned = (seen - seen.mean(0)) @ torch.linalg.svd(seen - seen.mean(0), full_matrices=False)[2].T
    maps = {
        "first": lambda: codes[:, :2],
        "widest": lambda: codes[:, codes.var(0).argsort(descending=True)[:2]],
        "three": lambda: turned[:, :3],
        "one": lambda: turned[:, :1],
    }
    places = maps.get(way, lambda: turned[:, :2])()
    if way == "labels":
        return float((labels[near(places, k)] == labels[:, None]).double().mean())
    first, second = near(codes, k, me, far=far), near(places, k, me, far=far)
    return float((first == second).double().mean() if same_rank else both(first, second).mean() / k)
