"""What lesson 03's check does with an experiment: is the suspect all that changes within a pair?"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core import Wrong

RANDOM = random.SystemRandom()  # whatever the reader's seed
SUSPECTS = {"noise": "noise", "KL": "kl_weight"}


def experiment(answer: Callable[..., Any]) -> None:
    for _ in range(3):
        vae: dict[str, Any] = {
            "reconstruction": RANDOM.choice(["bernoulli", "gaussian"]),
            "latent_dim": RANDOM.randint(3, 40),
            "noise": round(RANDOM.uniform(0.2, 0.9), 3),
            "kl_weight": round(RANDOM.uniform(1.1, 3.9), 3),
            "epochs": RANDOM.randint(2, 9),
            "learning_rate": round(RANDOM.uniform(1e-4, 1e-2), 6),
            "seed": RANDOM.randint(100, 999),
        }
        seeds = RANDOM.sample(range(90), RANDOM.randint(4, 7))
        given, numbers = copy.deepcopy(vae), list(seeds)
        made = answer(vae, seeds)
        if vae != given or seeds != numbers:
            raise Wrong("your function changes what it was given: build new dictionaries, such as {**vae, …}")
        if not isinstance(made, Mapping) or set(made) != set(SUSPECTS):
            raise Wrong("return a dictionary with the two keys 'noise' and 'KL'")
        for suspect, key in SUSPECTS.items():
            pairs = _pairs(made[suspect], suspect, seeds)
            for pair in pairs:
                _isolates(pair, suspect, key, given)
            _of_all_seeds(pairs, suspect, given, seeds)


def _pairs(made: Any, suspect: str, seeds: list[int]) -> list[tuple[Mapping, Mapping]]:
    pairs = list(made.values()) if isinstance(made, Mapping) and "seed" not in made else made
    if isinstance(pairs, Mapping) or not isinstance(pairs, Sequence):
        raise Wrong(f"under {suspect!r} a list of pairs is asked, a pair for each seed")
    if len(pairs) == 2 and all(isinstance(one, Mapping) for one in pairs):
        raise Wrong(
            f"{suspect!r} has a single pair: one pair proves little, so make a list with one for each seed"
        )
    for pair in pairs:
        if (
            not isinstance(pair, Sequence)
            or len(pair) != 2
            or not all(isinstance(one, Mapping) for one in pair)
        ):
            raise Wrong(
                f"under {suspect!r} each entry is a pair of dictionaries: the settings with and without"
            )
    if not pairs:
        raise Wrong(f"{suspect!r} has no pairs")
    return [(pair[0], pair[1]) for pair in pairs]


def _isolates(pair: tuple[Mapping, Mapping], suspect: str, key: str, vae: dict[str, Any]) -> None:
    """Raise unless the suspect is there in the first run, gone in the second, and all else is the VAE's."""
    first, second = pair
    other = next(name for name in SUSPECTS.values() if name != key)
    for run in pair:
        if missing := sorted(set(vae) - set(run)):
            raise Wrong(
                f"the pairs for {suspect!r} lack {', '.join(missing)}: start from all of the VAE's settings"
            )
        if extra := sorted(map(str, set(run) - set(vae))):
            raise Wrong(f"no such setting is known: {', '.join(extra)}. Change the VAE's own settings only")
    changed = [name for name in vae if first[name] != second[name]]
    if not changed:
        raise Wrong(
            f"the two runs for {suspect!r} are the same: is it one dictionary, changed after the fact?"
        )
    if "seed" in changed:
        raise Wrong(f"the seeds differ within a pair for {suspect!r}: then the difference may be the seed's")
    if key in changed and other in changed:
        raise Wrong(
            f"noise and KL change together in the pairs for {suspect!r}: "
            "that is VAE against AE, and it can't tell which of the two it was"
        )
    if changed == [other]:
        raise Wrong(f"in the pairs for {suspect!r} it is {other} that changes, the other suspect")
    if changed != [key]:
        names = ", ".join(name for name in changed if name != key)
        raise Wrong(
            f"{names} changes, too, in the pairs for {suspect!r}: then you can't tell what did it"
            if key in changed
            else f"{names} changes in the pairs for {suspect!r}, and the suspect doesn't"
        )
    if first[key] == 0 and second[key] == vae[key]:
        raise Wrong(f"the pairs for {suspect!r} are in the wrong order: first with, then without")
    if first[key] != vae[key]:
        raise Wrong(f"the first of each pair for {suspect!r} should have the VAE's own {key}")
    if second[key] != 0:
        raise Wrong(f"{key} is {second[key]!r} in the second of each pair: less is not without, so make it 0")
    if first[other] not in (vae[other], 0):
        raise Wrong(f"{other} is the same in both, but it isn't the VAE's: compare the model in question")
    kept = [name for name in vae if name not in (*SUSPECTS.values(), "seed") and first[name] != vae[name]]
    if kept:
        raise Wrong(
            f"both runs for {suspect!r} differ from the VAE in {', '.join(kept)}: leave the rest as it is"
        )


def _of_all_seeds(pairs: list, suspect: str, vae: dict[str, Any], seeds: list[int]) -> None:
    used = [pair[0]["seed"] for pair in pairs]
    if sorted(used) == sorted(seeds):
        return
    if set(used) == {vae["seed"]}:
        raise Wrong(f"all pairs for {suspect!r} have the VAE's own seed: put each of the given seeds in")
    if len(set(used)) == 1 and len(used) > 1:
        raise Wrong(f"all pairs for {suspect!r} have the same seed: that is one pair, run many times")
    if len(set(used)) < len(used):
        raise Wrong(f"a seed comes twice in the pairs for {suspect!r}: each counts once")
    if set(used) < set(seeds):
        raise Wrong(f"seeds are left out in the pairs for {suspect!r}: one pair for each is asked")
    raise Wrong(f"the pairs for {suspect!r} have other seeds than those given")
