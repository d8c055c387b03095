"""Measure what the lessons ask of a class, for the teacher's guide.

    python course.py teaching [LESSON …]     all of notebooks/, unless some are named: 01_autoencoder …

Each lesson runs top to bottom in a clean kernel, with two threads and with one. At its end the kernel says
how much memory it had at most: on Linux VmHWM of /proc/self/status, elsewhere `resource`'s ru_maxrss. The
numbers go to results/teaching.json, and from there into docs/teaching. Lessons that aren't named keep theirs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat

from latentlab_helpers.files import write_whole
from tools import build
from tools.bench.__main__ import machine
from tools.quote import quote
from tools.teaching import measures, report

RESULTS, PAGES = build.ROOT / "results" / "teaching.json", build.ROOT / "docs" / "teaching"


def main() -> int:
    known = [path.stem for path in sorted(build.NOTEBOOKS.glob("*.ipynb"))]
    chosen = [Path(name).stem for name in sys.argv[1:]] or known
    if unknown := sorted(set(chosen) - set(known)):
        print(f"there is no lesson {', '.join(unknown)}; the course has: {', '.join(known)}")
        return 2
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    if found.get("machine") != (here := machine()):  # numbers of two machines don't mix
        found = {"machine": here, "server_mb": measures.server_mb(), "lessons": {}}
    for name in chosen:
        print(f"{name} …", end=" ", flush=True)
        of = measures.reading(nbformat.read(build.NOTEBOOKS / f"{name}.ipynb", as_version=4))
        found["lessons"][name] = of | {"threads": {str(n): measures.run(name, n) for n in (2, 1)}}
        found["lessons"] = dict(sorted(found["lessons"].items()))
        write_whole(RESULTS, json.dumps(found, indent=1) + "\n")
        print(", ".join(f"{run['seconds']:.0f} s" for run in found["lessons"][name]["threads"].values()))
    write(found)
    return 0


def write(found: dict) -> None:
    """Put the tables into the guide."""
    quote(PAGES / "README.md", "lessons", report.lessons(found))
    quote(PAGES / "README.md", "classroom", report.classroom(found))
    for name in found["lessons"]:
        if (page := PAGES / f"{name[:2]}.md").is_file():
            quote(page, "minutes", report.lesson(found, name))


if __name__ == "__main__":
    sys.exit(main())
