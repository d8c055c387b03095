"""The talk: `talk.md`, whose numbers are read from the results and whose figures are the notebooks'.

A line of dashes parts two slides, `Note:` begins what is said. `{claims[3][verdict]}` stands for a result, by
Python's rules for format strings; `![](NOTEBOOK#CELL)` is a cell's figure, `![](instrument:NAME)` one of the
page's instruments.
"""

from __future__ import annotations

import inspect
import re
import statistics
from pathlib import Path
from typing import Any

import nbformat
from torch.nn import functional as F

from latentlab_helpers import check, results
from tools.slides import text
from tools.slides.cut import Slide, blocks, instrument, show
from tools.slides.text import Piece

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_suffix(".md")
PICTURE = re.compile(r"!\[\]\((?:instrument:([\w-]+)|(\w+)#([\w-]+))\)")


def averaged(x_hat, x, mu, logvar):
    error = F.binary_cross_entropy(x_hat, x)
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).mean()
    return error + kl


def facts() -> dict[str, Any]:
    """What the talk may quote."""
    claims, bench = results.load("claims"), results.load("bench")
    ledger = claims["ledger"]
    mean = {
        who: {name: statistics.fmean(numbers) for name, numbers in measured.items()}
        for who, measured in claims["measured"].items()
    }
    verdicts = [entry["verdict"] for entry in ledger]
    rows = ["| | the claim | MNIST | convolutional | Fashion-MNIST |", "|---|---|---|---|---|"]
    for entry in ledger:
        tried = " | ".join([f"**{entry['verdict']}**", *entry["replications"].values()])
        rows.append(f"| {entry['number']} | {entry['text']} | {tried} |")
    tests = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {
        "averaged": inspect.getsource(averaged).strip(),
        "bench": bench,
        "claims": {entry["number"]: entry for entry in ledger},
        "comparisons": sum(len(entry["parts"]) for entry in ledger),
        "hidden": str(check.loss(averaged)).partition("\n")[0],
        "mean": mean,
        "minutes": sum(bench["notebooks"].values()) / 60,
        "mistakes": sum(len(getattr(task, "mistakes", [])) for task in check.TASKS.values()),
        "noise": claims["calibration"]["mnist"]["noise"]["precision"],
        "ratio": {name: mean["vae"][name] / mean["ae"][name] for name in mean["ae"] if mean["ae"][name]},
        "runs": len(claims["runs"]),
        "seeds": len(claims["seeds"]),
        "tasks": len(check.TASKS),
        "tests": sum(len(re.findall(r"^def test_", code, re.M)) for code in tests),
        "verdicts": "\n".join(rows),
        **{
            word: verdicts.count(verdict) or "none"
            for word, verdict in (("holds", "holds"), ("partly", "holds partly"), ("fails", "does not hold"))
        },
    }


def told(source: str, known: dict[str, Any]) -> str:
    """The text with its numbers; a formula's braces stay."""

    def fill(found: re.Match) -> str:
        if found[0].startswith("$"):
            return found[0]
        try:
            return found[0].format(**known)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"{SOURCE.name}: nothing was measured for {found[0]} ({error!r})") from None

    return re.sub(r"\$\$.+?\$\$|\$[^$]+\$|\{[^}]+\}", fill, source, flags=re.S)


def figure(notebook: str, cell: str) -> nbformat.NotebookNode:
    """The output of a notebook's cell that has a figure."""
    path = ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = nbformat.read(path, as_version=4).cells if path.is_file() else []
    for output in (output for one in cells if one.id == cell for output in one.get("outputs", [])):
        if "image/png" in output.get("data", {}):
            return output
    raise ValueError(f"{SOURCE.name}: {notebook} has no figure in a cell {cell!r}")


def roomy(table: Piece) -> Piece:
    """A short table in larger letters."""
    if table.html.count("<tr>") < 8:
        table.html = table.html.replace("<table>", '<table class="roomy">')
    return table


def slide(source: str, used: set[str]) -> Slide:
    """One slide of the talk."""
    shown, _, notes = source.partition("\nNote:\n")
    heading, *parts = blocks(shown)
    level, title = re.fullmatch(r"(#+) (.*)", heading, re.S).groups()
    name, colon, subtitle = title.partition(": ") if level == "#" else (title, "", "")
    made = Slide(name, kind="title" if level == "#" else "")
    if colon:
        made.pieces.append(Piece(f'<p class="subtitle">{text.inline(subtitle)}</p>', 120))
    drawn = None
    for part in parts:
        if found := PICTURE.fullmatch(part):
            if found[1]:
                used.add(found[1])
                made.kind = "instrument"
                made.pieces.append(instrument(found[1]))
            else:
                drawn = figure(found[2], found[3])
        elif part.startswith("|"):
            made.pieces += [roomy(piece) for piece in text.tables(part, high=1000)]
        elif part.startswith("```"):
            made.pieces.append(text.code(part.partition("\n")[2].removesuffix("```").rstrip()))
        elif part.startswith("- "):
            made.pieces.append(text.points(part))
        elif part.startswith("$$"):
            made.pieces.append(text.formula(part))
        else:
            made.pieces.append(text.prose(part))
    if drawn:
        show(made, drawn, above=False)
    made.pieces[-1].notes = text.rich(notes.strip())
    return made


def cut(source: str | None = None) -> tuple[list[Slide], set[str]]:
    """The slides of the talk, and the instruments on them."""
    used: set[str] = set()
    whole = told(SOURCE.read_text("utf-8") if source is None else source, facts())
    return [slide(part.strip(), used) for part in re.split(r"^---$", whole, flags=re.M)], used
