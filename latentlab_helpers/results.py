"""What the commands of the course measured, as notebooks show it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from .files import shipped

HEADER = (
    "| claim, and what was measured | AE | VAE | control | does it hold? | difference, 95 % interval "
    "| seeds | convolutional | Fashion-MNIST |\n|---|---|---|---|---|---|---|---|---|"
)


def load(name: str) -> dict[str, Any]:
    """Read a file of results.

    Parameters
    ----------
    name : str
        "claims", "bench" or "attributes": the command of `course.py` that wrote it.

    Returns
    -------
    dict
        What the file holds. That of the claims has ``runs`` (each training's settings, numbers and curve),
        ``measured`` (of AE, VAE and control the numbers of all seeds), ``ledger`` (a list of claims, each
        with its verdict and parts), and ``seeds``, ``sizes`` and ``attributes``, which the runs went through.

    Raises
    ------
    ValueError
        If nothing of that name was measured.

    Notes
    -----
    Used in notebooks 03, 04 and 05.
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
        ``text``, ``verdict`` ("holds", "holds partly" or "does not hold") and ``parts``: for each its
        ``metric``, its ``rule``, whether it ``holds``, and of how many ``seeds`` how many are ``agreeing``
        and how many ``opposing``.

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


def table(*numbers: int) -> str:
    """The ledger of some claims.

    Parameters
    ----------
    *numbers : int
        Which claims, by their number.

    Returns
    -------
    str
        A table in Markdown: each claim with its verdict, then its parts, line by line.

    Notes
    -----
    Used in notebooks 03, 04 and 05.
    """
    return "\n".join([HEADER, *(row for number in numbers for row in claim(number)["rows"])])


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
    last = f"{spread:.0e}" if spread else f"{mean / 100:.0e}"
    decimals = max(0, min(5, -int(last.split("e")[1])))
    shown = f"{mean:,.{decimals}f}" + (f" ± {spread:.{decimals}f}" if spread else "")
    shown = shown.replace(",", "\N{NARROW NO-BREAK SPACE}")
    return shown if float(f"{mean:.{decimals}f}") else shown.replace("-", "")  # no minus before a zero


def report(name: str, value: float, expected: float, rel: float) -> None:
    """Print a measured number beside the one that the text expects, and fail if they are too far apart.

    Parameters
    ----------
    name : str
        What was measured, and its unit.
    value, expected : float
        The number, and what the text says.
    rel : float
        How far apart they may be, of the expected one. Machines differ in the last digits, and training makes
        more of that.

    Raises
    ------
    AssertionError
        With both numbers.

    Notes
    -----
    Used in every notebook.
    """
    line = f"{name} = {value:.4g} (expected {expected:.4g} ± {100 * rel:g} %)"
    assert abs(value - expected) <= rel * abs(expected), f"{line}: out of range"
    print(line)
