"""What the commands of the course measured, as notebooks show it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from .files import shipped

WORDS = {True: "yes", False: "no", None: "–"}  # whether a part of a claim holds; None where it wasn't tried


def load(name: str) -> dict[str, Any]:
    """Read a file of results.

    Parameters
    ----------
    name : str
        "claims", "objectives", "bench", …: the command of `course.py` that wrote it.

    Returns
    -------
    dict
        What the file holds. That of the claims has ``runs`` (each training's settings, numbers and curve),
        ``measured`` (of AE, VAE and control the numbers of all seeds), ``replications`` (the same with
        convolutional models and on Fashion-MNIST), ``calibration`` (what the measures say of what is known),
        ``ledger`` (a list of claims, each with its verdict and parts), and ``seeds``, ``sizes`` and
        ``attributes``, which the runs went through. Those of
        lessons 06 to 10 have ``runs`` (each training's ``settings`` and ``numbers``), that of the objectives
        what the ``paper`` reports as well, as -log p(x) in nats.

    Raises
    ------
    ValueError
        If nothing of that name was measured.

    Notes
    -----
    Used in notebooks from 03 on.
    """
    path = shipped(f"results/{name}.json")
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in path.parent.glob("*.json")))
        raise ValueError(f"no results are called {name!r}; there are: {there}")
    return json.loads(path.read_text("utf-8"))


def claim(number: int) -> dict[str, Any]:
    """Look up a claim of the ledger.

    Parameters
    ----------
    number : int
        From 1 to 10.

    Returns
    -------
    dict
        ``text``, ``verdict`` ("holds", "holds partly" or "does not hold"), the verdicts of the
        ``replications`` by name, and ``parts``: for each its ``metric``, its ``rule``, whether it ``holds``,
        the ``difference`` with its ``interval``, and of how many ``seeds`` how many are ``agreeing`` and how
        many ``opposing``.

    Raises
    ------
    ValueError
        For a number that no claim has.

    Notes
    -----
    Notebooks 03 to 05 read verdicts and counts from it.
    """
    ledger = {entry["number"]: entry for entry in load("claims")["ledger"]}
    if number not in ledger:
        raise ValueError(f"there is no claim {number}; the ledger has {min(ledger)} to {max(ledger)}")
    return ledger[number]


def differences(number: int) -> str:
    """Show what a claim's verdict rests on: its paired differences, and whether they suffice.

    Parameters
    ----------
    number : int
        From 1 to 10.

    Returns
    -------
    str
        A table in Markdown, a line for each comparison: the mean difference with its 95 % interval over the
        seeds, and whether it holds on MNIST, with convolutional models, and on Fashion-MNIST.

    Notes
    -----
    Used in notebooks 03, 04 and 05; docs/ledger.md has the numbers themselves.
    """
    entry = claim(number)
    columns = [
        "what was measured",
        "it holds if",
        "difference, 95 % interval",
        "MNIST",
        *entry["replications"],
    ]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for part in entry["parts"]:
        holds = [part["holds"], *part["replications"].values()]
        lines.append(
            f"| {' | '.join([part['metric'], part['rule'], part['text'], *(WORDS[one] for one in holds)])} |"
        )
    return "\n".join(lines)


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean ± sample standard deviation, with the decimals that the spread's first digit needs.

    Parameters
    ----------
    values : sequence of float
        One number for each seed.

    Returns
    -------
    str
        Five decimals at most; the mean alone, with three digits, where the spread is 0.

    Notes
    -----
    Used in notebooks 03 and 04.
    """
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    return rounded(mean, spread) + (f" ± {rounded(spread, spread)}" if spread else "")


def rounded(value: float, spread: float) -> str:
    """A number with the decimals that its spread's first digit needs.

    Parameters
    ----------
    value, spread : float
        The number, and how far it is uncertain; a spread of 0 gives three digits.

    Returns
    -------
    str
        Five decimals at most, thousands set apart, and no minus before a zero.

    Notes
    -----
    `mean_and_spread` and the ledger use it.
    """
    last = f"{spread or abs(value) / 100 or 1:.0e}".split("e")[1]
    shown = f"{value:,.{max(0, min(5, -int(last)))}f}"
    return (shown if float(shown.replace(",", "")) else shown.replace("-", "")).replace(
        ",", "\N{NARROW NO-BREAK SPACE}"
    )
