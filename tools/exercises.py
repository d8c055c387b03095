"""Cut the students' exercises out of the solved ones.

    python course.py exercises [NN …] [--check]               notebooks/exercises, from notebooks/solutions
    python course.py exercises --without-solutions [FOLDER]   the course for a class, without any solution

A solved exercise is the one source. In the student's version each solution, between two marks, becomes a line
that says so, cells with the tag "solution" are left out, and the outputs are those of an unanswered notebook.
`--check` only compares, and fails if one isn't what its source makes it.
"""

from __future__ import annotations

import argparse
import copy
import re
import shutil
import sys
from pathlib import Path

import nbformat

from latentlab_helpers.files import write_whole
from tools import build

NOTEBOOKS = build.NOTEBOOKS
STUB = "pass  # your code here"  # nothing that a notebook would show, and a function's body
SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION", re.S | re.M)


def without_reasons(solved: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A solved exercise without the cells that give reasons, and without outputs."""
    bare = copy.deepcopy(solved)
    bare.cells = [cell for cell in bare.cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return bare


def cut(solved: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The student's version of a solved exercise, without outputs."""
    student = without_reasons(solved)
    for cell in student.cells:
        if cell.cell_type == "code":
            cell.source = SOLUTION.sub(rf"\1{STUB}", cell.source)
        if "BEGIN SOLUTION" in cell.source or "END SOLUTION" in cell.source:
            raise ValueError(f"cell {cell.id}: a solution needs both of its marks, in a code cell")
    return student


def sources(notebook: nbformat.NotebookNode) -> list[tuple]:
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def is_current(solution: Path, exercise: Path) -> bool:
    """Whether the student's version is the cut of the solved one."""
    if not exercise.is_file():
        return False
    solved, student = (nbformat.read(path, as_version=4) for path in (solution, exercise))
    return sources(cut(solved)) == sources(student)


def write(solution: Path, exercise: Path) -> None:
    """Cut one exercise, run it unanswered, and save it with its outputs."""
    exercise.parent.mkdir(exist_ok=True)
    draft = exercise.with_name(f".{exercise.name}")
    try:
        write_whole(draft, nbformat.writes(cut(nbformat.read(solution, as_version=4))) + "\n")
        build.build(draft)
        draft.replace(exercise)
    finally:
        draft.unlink(missing_ok=True)


def refuse_full(folder: Path) -> None:
    """Raise FileExistsError for a folder with something in it, which would be mixed with what is written."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} isn't empty: name a new folder, or empty this one")


def hand_out(folder: Path) -> None:
    """Write what a class gets: lessons, exercises and the page, and no solution."""
    refuse_full(folder)
    leave = shutil.ignore_patterns("solutions", ".*", "__pycache__")
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=leave, dirs_exist_ok=True)
    for name in ("latentlab.html", "LICENSE"):
        shutil.copy(build.ROOT / name, folder / name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python course.py exercises", description="Cut the exercises.")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="all, unless some are named")
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--without-solutions", nargs="?", const="handout", metavar="FOLDER")
    asked = parser.parse_args()
    if asked.without_solutions:
        folder = Path(asked.without_solutions)
        try:
            hand_out(folder if folder.is_absolute() else build.ROOT / folder)
        except OSError as error:
            print(f"the hand-out wasn't written: {error}")
            return 1
        print(f"{folder}: lessons and exercises, without solutions")
        return 0
    solved = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
    chosen = [path for path in solved if not asked.lessons or path.name[:2] in asked.lessons]
    if not chosen or {path.name[:2] for path in chosen} < set(asked.lessons):
        print(f"there are exercises for {', '.join(path.name[:2] for path in solved)}")
        return 2
    if asked.check:
        stale = [path for path in chosen if not is_current(path, NOTEBOOKS / "exercises" / path.name)]
        for path in stale:
            print(f"exercises/{path.name} isn't the cut of its solution: python course.py exercises")
        return bool(stale)
    for path in chosen:
        write(path, NOTEBOOKS / "exercises" / path.name)
        print(f"exercises/{path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
