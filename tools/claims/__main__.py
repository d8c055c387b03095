"""Put the ten claims to the test: train every run of the matrix, measure it, and write the ledger.

    python course.py claims [--fresh | --verify]     about half an hour; goes on where it was stopped

The rules are in tools/claims/rules.py. Each run is a training from its own seed; its numbers go to
results/claims.json as soon as it is measured, and the ledger into docs/ledger.md after the last. The file
says by which versions and which code it was measured. When either has changed, `--fresh` throws it away and
starts again. After a change that should change no number, `--verify` repeats one run of each kind, in some
minutes; if all numbers are the recorded ones, the file is this code's.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
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
MEASURED_BY = (
    *(f"latentlab_helpers/{name}.py" for name in ("attributes", "datasets", "devices", "latent", "losses")),
    *(f"latentlab_helpers/{name}.py" for name in ("metrics", "models", "threads", "training")),
    *(f"tools/claims/{name}.py" for name in ("measures", "runs")),
)


def code(root: Path = ROOT) -> dict[str, str]:
    """A digest of each file that the numbers rest on, of its code alone: no spaces, comments, docstrings."""
    digests = {}
    for name in MEASURED_BY:
        text = (root / name).read_text("utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                said = node.body[0]
                lines[said.lineno - 1 : said.end_lineno] = [""] * (said.end_lineno - said.lineno + 1)
        kept = "".join("".join(line.split()) for line in lines if not line.lstrip().startswith("#"))
        digests[name] = hashlib.sha256(kept.encode()).hexdigest()[:16]
    return digests


def verify(found: dict) -> list[str]:
    """The numbers that one run of each recipe gives otherwise than recorded, but for seconds."""
    wrong = []
    for run in {run.recipe: run for run in reversed(matrix())}.values():
        again, recorded = perform(run)["numbers"], found["runs"][run.name]["numbers"]
        for name in sorted({*again, *recorded}):
            new, old = again.get(name, math.nan), recorded.get(name, math.nan)
            near = 0.01 if "t-SNE" in name else 1e-3  # t-SNE makes more of a difference in rounding
            if "seconds" not in name and not math.isclose(new, old, rel_tol=near):
                wrong.append(f"{run.name}, {name}: {new}, recorded {old}")
        print(f"{run.name}: {len(recorded)} numbers, {len(wrong)} others so far", flush=True)
    return wrong


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
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--fresh", action="store_true", help="throw away what was measured, and start again")
    ways.add_argument("--verify", action="store_true", help="repeat one run of each kind, and compare")
    chosen, runs = parser.parse_args(), matrix()
    made_by = {"versions": versions(), "code": code()}
    found = {**made_by, "runs": {}}
    if RESULTS.is_file() and not chosen.fresh:
        found = json.loads(RESULTS.read_text("utf-8"))
    todo = [run for run in runs if run.name not in found["runs"]]
    if chosen.verify:
        if wrong := todo or verify(found):
            parser.error(f"what was recorded isn't what this code measures: {', '.join(map(str, wrong))}")
        found["code"] = made_by["code"]
    if todo and found["versions"] != made_by["versions"]:
        parser.error(
            f"{RESULTS.name} was begun with other versions ({found['versions']}), and numbers of two "
            "don't mix: start again with 'python course.py claims --fresh'"
        )
    then = found.get("code", {})
    if changed := [name for name, digest in made_by["code"].items() if then.get(name) != digest]:
        parser.error(
            f"{RESULTS.name} was measured by other code ({', '.join(changed)} has changed since): start "
            "again with 'python course.py claims --fresh', or, if no number should have changed, '--verify'"
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
