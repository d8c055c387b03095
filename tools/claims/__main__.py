"""Put the ten claims to the test: train every run of the matrix, measure it, and write the ledger.

    python course.py claims [--fresh]     about half an hour; goes on where it was stopped

The rules are in tools/claims/rules.py. Each run is a training from its own seed; its numbers go to
results/claims.json as soon as it is measured, and the ledger into docs/ledger.md after the last. `--fresh`
throws the file away and starts again, as it must when the versions have changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from tqdm.auto import tqdm

from latentlab_helpers import results
from latentlab_helpers.files import write_whole
from tools.claims import rules
from tools.claims.runs import Run, matrix, measured, perform
from tools.quote import quote
from tools.weights import versions

ROOT = Path(__file__).resolve().parents[2]
RESULTS, LEDGER = ROOT / "results" / "claims.json", ROOT / "docs" / "ledger.md"


def save(found: dict) -> None:
    write_whole(RESULTS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def plan(runs: list[Run], done: dict) -> str:
    """The matrix, a line for each kind of run."""
    finished = Counter(run.recipe for run in runs if run.name in done)
    kinds = Counter(run.recipe for run in runs)
    groups = {run.recipe: ", ".join(run.groups) for run in runs}
    lines = [
        f"{name:24} {finished[name]} of {count} seeds done   {groups[name]}" for name, count in kinds.items()
    ]
    return "\n".join(lines)


def finish(found: dict) -> None:
    """What follows from all the runs: the numbers that claims are judged by, and the ledger with its page."""
    found["measured"] = measured(found["runs"])
    found["ledger"] = rules.ledger(found["measured"])
    found |= {"seeds": rules.SEEDS, "sizes": rules.SIZES, "attributes": rules.ATTRIBUTES}
    save(found)
    table = "\n".join([results.HEADER, *(row for entry in found["ledger"] for row in entry["rows"])])
    quote(LEDGER, "claims", table)
    print(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="course.py claims", description="Put the ten claims to the test.")
    parser.add_argument("--fresh", action="store_true", help="throw away what was measured, and start again")
    fresh = parser.parse_args().fresh
    made_by, runs = versions(), matrix()
    found = {"versions": made_by, "runs": {}}
    if RESULTS.is_file() and not fresh:
        found = json.loads(RESULTS.read_text("utf-8"))
    todo = [run for run in runs if run.name not in found["runs"]]
    if todo and found["versions"] != made_by:
        parser.error(
            f"{RESULTS.name} was begun with other versions ({found['versions']}), and numbers of two "
            "don't mix: start again with 'python course.py claims --fresh'"
        )
    print(plan(runs, found["runs"]), flush=True)
    bar = tqdm(todo, unit="run")
    for run in bar:
        bar.set_postfix_str(run.name)
        found["runs"][run.name] = perform(run)
        save(found)
    finish(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
