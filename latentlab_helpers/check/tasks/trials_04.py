"""What lesson 04's check does with a control: are labels dealt at random, and is all else as it was?"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..core import Wrong, refuse_nothing

RANDOM = random.SystemRandom()  # whatever the reader's seed


def _rows(codes: Any) -> torch.Tensor:
    return torch.as_tensor(codes).detach().double()


def dealt(answer: Callable[..., Any]) -> None:
    n, d, draws = RANDOM.randint(300, 400), RANDOM.randint(3, 6), RANDOM.randint(12, 20)
    codes = torch.randn(n, d)
    names = torch.randperm(40)[:4]
    labels = (
        names[torch.multinomial(torch.tensor([0.4, 0.3, 0.2, 0.1]), n, replacement=True)].sort().values
    )  # so that a local shuffle shows
    codes[:, 0] += 3 * (labels == names[0])
    calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    def measure(codes: Any, labels: Any) -> float:
        calls.append((_rows(codes).clone(), torch.as_tensor(labels).clone()))
        return float(1 + len(calls) ** 2)

    kept = codes.clone(), labels.clone()
    made = answer(measure, codes, labels, draws)
    if not torch.equal(codes, kept[0]) or not torch.equal(labels, kept[1]):
        raise Wrong("your function changes the codes or the labels that it was given: deal a copy")
    refuse_nothing(made)
    if not calls:
        raise Wrong("the measure is never called")
    _of_each_draw(made, len(calls), draws)
    for z, y in calls:
        _changes_one_thing(z, y, codes, labels)
    first = [_where(z, y, codes) for z, y in calls]
    _at_random(first, labels)
    calls.clear()
    answer(measure, codes, labels, draws)
    if all(torch.equal(a, _where(z, y, codes)) for a, (z, y) in zip(first, calls, strict=False)):
        raise Wrong("two calls deal the same labels: the seed is fixed inside of the function")


def _of_each_draw(made: Any, called: int, draws: int) -> None:
    values = np.ravel(
        [float(one) for one in made] if isinstance(made, list | tuple) else np.asarray(made, float)
    )
    measured = 1 + np.arange(1, called + 1) ** 2
    if called == 1:
        raise Wrong("labels are dealt once: a single draw may be luck, so measure as often as draws says")
    if called == draws + 1 and len(values) == draws:
        raise Wrong("the measure is called once more than there are draws: the true labels don't belong here")
    if called != draws:
        raise Wrong(f"the measure is called {called} times for {draws} draws")
    if len(values) == 1:
        raise Wrong("one number comes back; return the list of all draws, so that their spread can be seen")
    if len(values) != draws or not np.allclose(np.sort(values), measured):
        raise Wrong("return what the measure gave, one number for each draw")


def _changes_one_thing(z: torch.Tensor, y: torch.Tensor, codes: torch.Tensor, labels: torch.Tensor) -> None:
    if y.shape != labels.shape or z.shape != codes.shape:
        raise Wrong(
            f"the measure gets codes {tuple(z.shape)} and labels {tuple(y.shape)}: all of both are asked"
        )
    order, own = z[:, 0].argsort(), codes[:, 0].argsort()
    if not torch.allclose(z[order], codes[own].double()):
        raise Wrong(
            "the codes are changed as well: each dimension is shuffled on its own, or they are drawn anew. "
            "A control changes one thing"
            if torch.allclose(z.sort(0).values, codes.double().sort(0).values) or not _drawn(z, codes)
            else "some codes come twice, and others never: a control changes one thing, whose label is whose"
        )
    values, sizes = labels.unique(return_counts=True)
    new, now = y.unique(return_counts=True)
    if not torch.isin(new, values).all():
        raise Wrong("there are labels that weren't there before: deal the same labels in another order")
    if len(new) != len(values) or not torch.equal(sizes, now):
        if sorted(now.tolist()) == sorted(sizes.tolist()):
            raise Wrong("the classes only change their names: each cluster still has a label of its own")
        raise Wrong(
            "the classes change their sizes: labels are drawn anew there (or doubled, as random.shuffle does "
            "with a tensor), and a measure may depend on the sizes. Deal the same labels in another order"
        )


def _drawn(z: torch.Tensor, codes: torch.Tensor) -> bool:
    return bool(torch.isin(z[:, 0].float(), codes[:, 0]).all())


def _where(z: torch.Tensor, y: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The labels in the order of the given codes, if codes and labels were moved."""
    placed = torch.empty_like(y)
    placed[codes[:, 0].argsort()] = y[z[:, 0].argsort()]
    return placed


def _at_random(dealt: list[torch.Tensor], labels: torch.Tensor) -> None:
    if all(torch.equal(one, labels) for one in dealt):
        raise Wrong("every code still has its own label: codes and labels are moved together, or not at all")
    if all(torch.equal(one, dealt[0]) for one in dealt):
        raise Wrong("all draws use the same labels: deal them anew for each")
    distinct = len({tuple(one.tolist()) for one in dealt})
    if distinct < len(dealt):
        raise Wrong("some draws repeat the labels of others, or the true ones: deal them anew for each")
    for one in dealt:
        if any(torch.equal(one, labels.roll(shift)) for shift in range(len(labels))):
            raise Wrong("the labels are pushed along, all by the same step: deal them in a random order")
    a, b = dealt[0], dealt[1]
    if any(torch.equal(b, a.roll(shift)) or torch.equal(b, a.flip(0)) for shift in range(len(a))):
        raise Wrong("each draw is the one before, pushed along: deal them anew for each")
    kept = float(np.mean([float((one == labels).float().mean()) for one in dealt]))
    by_chance = float((labels.unique(return_counts=True)[1] / len(labels)).square().sum())
    if kept > by_chance + 0.05:
        raise Wrong(
            f"{kept:.0%} of the codes keep their label, and by chance {by_chance:.0%} would: deal all of them"
        )
    if kept < by_chance - 0.05:
        raise Wrong("too few codes keep their label: by chance some do, and forbidding it tells something")
    if float(np.mean([float((one[1:] == one[:-1]).float().mean()) for one in dealt])) > by_chance + 0.1:
        raise Wrong("the labels come sorted: deal them in a random order")
