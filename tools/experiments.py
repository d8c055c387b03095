"""The trainings that a lesson rests on: each is done once, and is on the disk as soon as it is done.

A run is a frozen dataclass with `group`, `label`, `seed` and its settings. What a command has written with
the same settings isn't done again, so a stopped command goes on where it was.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from latentlab_helpers.files import write_whole
from tools.weights import versions


@dataclass(frozen=True)
class Experiment:
    """What every run has; a lesson's own adds its settings."""

    group: str
    label: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.group}: {self.label}, seed {self.seed}"


E = TypeVar("E", bound=Experiment)


def carry_out(
    runs: Sequence[E],
    perform: Callable[[E], dict[str, Any]],
    path: Path,
    reader: str,
    **also: Any,
) -> int:
    """The command line of a lesson's runs: `python course.py NAME [GROUP …] [--fresh]`.

    Parameters
    ----------
    runs : sequence of Experiment
        The most wanted ones first.
    perform : callable
        Trains and measures one: its numbers, with "seconds" among them.
    path : Path
        The file of results, NAME.json.
    reader : str
        What rests on them, such as "notebook 07".
    **also
        What else the file holds.
    """
    parser = argparse.ArgumentParser(
        prog=f"python course.py {path.stem}", description=f"Measure for {reader}."
    )
    groups = list(dict.fromkeys(run.group for run in runs))
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(groups))
    parser.add_argument("--fresh", action="store_true", help="measure again what is measured already")
    asked = parser.parse_args()
    if unknown := set(asked.groups) - set(groups):
        parser.error(f"there is no group {', '.join(sorted(unknown))}; there are {', '.join(groups)}")
    torch.set_num_threads(1)  # so that seconds are the processor's, and two commands can stand side by side
    known = {} if asked.fresh or not path.is_file() else json.loads(path.read_text("utf-8"))["runs"]
    wanted = {run.name: run for run in runs}
    known = {
        name: one
        for name, one in known.items()
        if name in wanted and one["settings"] == settings(wanted[name])
    }
    for name, run in wanted.items():
        if name in known or (asked.groups and run.group not in asked.groups):
            continue
        known[name] = {"settings": settings(run), "numbers": perform(run)}
        print(
            name,
            {key: value for key, value in known[name]["numbers"].items() if is_number(value)},
            flush=True,
        )
        ordered = {name: known[name] for name in wanted if name in known}
        whole = {"runs": ordered, **also, "versions": versions()}
        write_whole(path, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    return 0


def settings(run: Experiment) -> dict[str, Any]:
    """A run's settings as they come back from the file."""
    return json.loads(json.dumps(asdict(run)))


def packed(images: torch.Tensor) -> str:
    """Images in [0, 1] for the file: a byte a value, in base64."""
    return base64.b64encode((images * 255).round().byte().contiguous().numpy().tobytes()).decode()


def unpacked(samples: str, *shape: int) -> torch.Tensor:
    """The images of a string that `packed` made, uint8 (n, *shape)."""
    return torch.frombuffer(bytearray(base64.b64decode(samples)), dtype=torch.uint8).view(-1, *shape)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float))
