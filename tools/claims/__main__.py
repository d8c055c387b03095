"""Put the ten claims to the test: train every run of the matrix, measure it, and write the ledger.

    python course.py claims [--fresh | --verify] [--jobs N | --scheduler ADDRESS]

An hour or two on two cores; it goes on where it was stopped. The rules are in tools/claims/rules.py. Each
run is a training from its own seed, in a process and a thread of its own, as many side by side as there are
cores, or on a Dask cluster whose scheduler has that address (its workers need this checkout). A run's numbers
go to results/claims.json as soon as it is measured, and the ledger into docs/ledger.md after the last. The
file says by which versions and which code it was measured. When either has changed, `--fresh` throws it away
and starts again. After a change that should change no number, `--verify` repeats one run of each kind; if all
numbers are the recorded ones, the file is this code's.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
from tqdm.auto import tqdm

from latentlab_helpers.files import write_whole
from tools.claims import data, rules
from tools.claims.calibration import calibrate
from tools.claims.runs import WORLDS, Run, matrix, measured, perform
from tools.quote import quote
from tools.weights import versions

ROOT = Path(__file__).resolve().parents[2]
RESULTS, LEDGER = ROOT / "results" / "claims.json", ROOT / "docs" / "ledger.md"
MEASURED_BY = (
    *(f"latentlab_helpers/{name}.py" for name in ("attributes", "datasets", "devices", "distributed")),
    *(f"latentlab_helpers/{name}.py" for name in ("latent", "losses", "metrics", "models")),
    *(f"latentlab_helpers/{name}.py" for name in ("threads", "training")),
    *(f"tools/claims/{name}.py" for name in ("calibration", "data", "measures", "runs", "samples")),
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


@contextlib.contextmanager
def spread(jobs: int, scheduler: str | None) -> Iterator[None]:
    """Where runs go: processes of this machine, or the workers of a Dask cluster."""
    if scheduler is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    from distributed import Client

    with Client(scheduler), joblib.parallel_config("dask"):
        yield


def each(jobs: dict[str, tuple[Callable, object]]) -> Iterator[tuple[str, dict]]:
    """By name, what each function makes of its argument, as soon as it is done."""
    calls = (joblib.delayed(_named)(name, *job) for name, job in jobs.items())
    yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(calls)


def _named(name: str, function: Callable, argument: object) -> tuple[str, dict]:
    return name, function(argument)


# What makes more of a difference in rounding, and how much: on another processor the very code that recorded
# them fits another mixture, and a distance of its samples was 1.8 % away (three of 40 runs' numbers differ).
AMPLIFIED = {"t-SNE": 0.01, "mixture": 0.03}


def verify(found: dict) -> list[str]:
    """The numbers that one run of each recipe gives otherwise than recorded, but for seconds."""
    wrong = []
    chosen = {run.recipe: run for run in reversed(matrix())}.values()
    jobs = {run.name: (perform, run) for run in chosen}
    for name, again in tqdm(each(jobs), total=len(jobs), unit="run"):
        new, recorded = again["numbers"], found["runs"][name]["numbers"]
        for number in sorted({*new, *recorded}):
            near = next((share for kind, share in AMPLIFIED.items() if kind in number), 1e-3)
            pair = new.get(number, math.nan), recorded.get(number, math.nan)
            if "seconds" not in number and not math.isclose(*pair, rel_tol=near, abs_tol=1e-6):
                wrong.append("{}, {}: {}, recorded {}".format(name, number, *pair))
    return wrong


def save(found: dict) -> None:
    write_whole(RESULTS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def plan(runs: list[Run], done: dict) -> str:
    """The matrix, a line for each kind of run."""
    finished = Counter(run.recipe for run in runs if run.name in done)
    kinds = Counter(run.recipe for run in runs)
    groups = {run.recipe: ", ".join(run.groups) for run in runs}
    lines = [
        f"{name:32} {finished[name]} of {count} seeds done   {groups[name]}" for name, count in kinds.items()
    ]
    return "\n".join(lines)


def costs(found: dict) -> str:
    """What all runs cost, in minutes of one core, and what dominates: a table by what was done."""
    spent: Counter[str] = Counter()
    for run in found["runs"].values():
        spent.update(run["seconds"])
    total = sum(spent.values())
    lines = ["| what | minutes of one core | share |", "|---|---|---|"]
    for name, seconds in spent.most_common():
        lines.append(f"| {name} | {seconds / 60:.1f} | {seconds / total:.0%} |".replace("%", " %"))
    runs = len(found["runs"])
    return "\n".join([*lines, f"| all {runs} runs | {total / 60:.0f} | {total / runs:.0f} s a run |"])


def calibrated(found: dict) -> str:
    """The measures on what is known: a table of the cases."""
    tables = []
    for name, cases in found["calibration"].items():
        for kind in ("confidence A", "k-NN"):
            some = {case: numbers for case, numbers in cases.items() if kind in numbers}
            measures = list(dict.fromkeys(measure for numbers in some.values() for measure in numbers))
            if some and (name == "mnist" or kind != "k-NN"):  # the codes are the same whatever the images
                tables += ["", f"| {name if kind != 'k-NN' else 'codes'} | {' | '.join(measures)} |"]
                tables += [f"|---|{'---|' * len(measures)}"]
                for case, numbers in some.items():
                    cells = [f"{numbers[m]:.3g}" if m in numbers else "" for m in measures]
                    tables.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(tables[1:])


def finish(found: dict) -> None:
    """What follows from all the runs: the numbers that claims are judged by, and the ledger with its page."""
    _, *others = WORLDS
    found["measured"] = measured(found["runs"])
    found["replications"] = {world: measured(found["runs"], world) for world in others}
    found["ledger"] = rules.ledger(found["measured"], found["replications"])
    found |= {"seeds": rules.SEEDS, "sizes": rules.SIZES, "attributes": rules.ATTRIBUTES}
    save(found)
    table = "\n".join([rules.HEADER, *(row for entry in found["ledger"] for row in entry["rows"])])
    comparisons = sum(len(entry["parts"]) for entry in found["ledger"])
    quote(LEDGER, "claims", table)
    quote(LEDGER, "calibration", calibrated(found))
    quote(LEDGER, "costs", costs(found))
    quote(LEDGER, "comparisons", f"The ledger makes {comparisons} comparisons.")
    print(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="course.py claims", description="Put the ten claims to the test.")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--fresh", action="store_true", help="throw away what was measured, and start again")
    ways.add_argument("--verify", action="store_true", help="repeat one run of each kind, and compare")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        default=os.cpu_count(),
        help="runs side by side; by default all cores",
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the work")
    chosen, runs = parser.parse_args(), matrix()
    made_by = {"versions": versions(), "code": code()}
    found = {**made_by, "runs": {}, "calibration": {}}
    if RESULTS.is_file() and not chosen.fresh:
        found = json.loads(RESULTS.read_text("utf-8"))
    todo = {run.name: (perform, run) for run in runs if run.name not in found["runs"]}
    for name in dict.fromkeys(name for name, _, _ in WORLDS.values()):
        if name not in found.setdefault("calibration", {}):
            todo[f"calibration, {name}"] = (calibrate, name)
        if todo or chosen.verify:
            data.images(name, "train")  # fetched or unpacked once, before processes ask for it side by side
    if chosen.verify:
        if todo:
            parser.error(f"nothing to verify while runs are missing: {', '.join(todo)}")
        with spread(chosen.jobs, chosen.scheduler):
            wrong = verify(found)
        if wrong:
            parser.error(f"what was recorded isn't what this code measures: {'; '.join(wrong)}")
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
    with spread(chosen.jobs, chosen.scheduler):
        bar = tqdm(each(todo), total=len(todo), unit="run")
        for name, result in bar:
            bar.set_postfix_str(name)
            if name.startswith("calibration, "):
                found["calibration"][name.removeprefix("calibration, ")] = result
            else:
                found["runs"][name] = result
            save(found)
    finish(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
