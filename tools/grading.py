"""Make a folder in which nbgrader hands out the exercises, collects and grades them.

    python course.py grading FOLDER [--students FILE]

FILE has a student's name in each line, or in its column "id" if it is a table (.csv). Then nbgrader's
own commands, run in FOLDER:

    python course.py grading FOLDER generate_assignment 01_autoencoder     release/: what the students get
    (put what they hand in into FOLDER/submitted/STUDENT/01_autoencoder/01_autoencoder.ipynb)
    python course.py grading FOLDER autograde 01_autoencoder               runs and grades it
    python course.py grading FOLDER generate_feedback 01_autoencoder       feedback/: a page for each
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat

from latentlab_helpers.files import write_whole
from tools.exercises import NOTEBOOKS, STUB, refuse_full, without_reasons

CONFIG = '''"""nbgrader's settings for LatentLab's exercises; written by `python course.py grading`."""

c = get_config()
c.CourseDirectory.course_id = "latentlab"
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
c.ClearSolutions.enforce_metadata = False
c.ExecutePreprocessor.timeout = 120
'''


def make(folder: Path, students: list[str]) -> list[str]:
    """Write the folder; the assignments' names."""
    refuse_full(folder)
    names = []
    for path in sorted((NOTEBOOKS / "solutions").glob("*.ipynb")):
        place = folder / "source" / path.stem
        place.mkdir(parents=True)
        notebook = without_reasons(nbformat.read(path, as_version=4))
        write_whole(place / path.name, nbformat.writes(notebook) + "\n")
        names.append(path.stem)
    write_whole(folder / "nbgrader_config.py", CONFIG.format(stub=STUB))
    if students:  # so the gradebook knows who has handed in nothing
        write_whole(folder / "students.csv", "\n".join(["id", *students]) + "\n")
        if run(folder, ["db", "student", "import", "students.csv"]):
            raise OSError("nbgrader didn't take the students (its message is above)")
    return names


def names_in(path: Path) -> list[str]:
    """The students of a list, or of a table's column "id"."""
    rows = [[entry.strip() for entry in row] for row in csv.reader(path.read_text("utf-8-sig").splitlines())]
    rows = [row for row in rows if any(row)]
    column = 0
    if rows and "id" in rows[0]:
        column = rows[0].index("id")
        rows = rows[1:]
    elif any(len(row) > 1 for row in rows):
        raise OSError(f'{path} is a table without a column "id"')
    return list(dict.fromkeys(row[column] for row in rows if column < len(row) and row[column]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python course.py grading", description="Make nbgrader's folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--students", type=Path, metavar="FILE", help="names, a line each, or a table")
    parser.add_argument("nbgrader", nargs="*", help="a command of nbgrader's, to run in FOLDER")
    asked, options = parser.parse_known_args()
    if asked.nbgrader:
        if not (asked.folder / "nbgrader_config.py").is_file():
            print(f"{asked.folder} is no grading folder yet: python course.py grading {asked.folder}")
            return 1
        return run(asked.folder, [*asked.nbgrader, *options])
    try:
        names = make(asked.folder, names_in(asked.students) if asked.students else [])
    except OSError as error:
        print(f"the folder wasn't made: {error}")
        return 1
    print(f"{asked.folder} is ready, for {', '.join(names)}. Next:")
    for step in ("generate_assignment", "autograde", "generate_feedback"):
        print(f"    python course.py grading {asked.folder} {step} {names[0]}")
    return 0


def run(folder: Path, command: list[str]) -> int:
    """Run a command of nbgrader's, which looks for others of its environment on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    line = [sys.executable, "-m", "nbgrader", *command]
    return subprocess.run(line, cwd=folder, env={**os.environ, "PATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main())
