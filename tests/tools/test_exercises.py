"""The students' exercises are cut out of the solved ones, and nothing of a solution is left in them."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from latentlab_helpers.check import TASKS, task
from tools import exercises

SOLVED = sorted((exercises.NOTEBOOKS / "solutions").glob("*.ipynb"))
ARGUMENTS = re.compile(r'check\.task\("(.+?)", (.+)\)')
names = pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.stem)


def student(path: Path) -> Path:
    return exercises.NOTEBOOKS / "exercises" / path.name


@names
def test_every_exercise_is_cut_from_its_solution(path):
    assert exercises.is_current(path, student(path)), "python course.py exercises"
    assert (exercises.NOTEBOOKS / path.name).is_file(), "an exercise belongs to a lesson"
    assert len(SOLVED) == len(list((exercises.NOTEBOOKS / "exercises").glob("*.ipynb")))


@names
def test_an_exercise_has_its_tasks(path):
    solved, cut = (nbformat.read(each, as_version=4) for each in (path, student(path)))
    numbers = [number for number in TASKS if number.startswith(path.name[:2])]
    assert 5 <= len(numbers) <= 8
    cells = {cell.id: cell for cell in solved.cells}
    for number in numbers:
        key = number.replace(".", "-")
        heading = cells[f"task-{key}"].source
        assert heading.startswith(f"## {number} · ") and "★" in heading and "minutes" in heading
        assert f'check.task("{number}"' in cells[f"check-{key}"].source
        graded = cells[f"check-{key}"].metadata["nbgrader"]
        assert graded["grade"] and graded["locked"] and graded["points"] > 0 and not graded["solution"]
        answer = cells[f"answer-{key}"].metadata["nbgrader"]
        assert answer["solution"] and not answer["grade"] and not answer["locked"]
        assert "solution" in cells[f"why-{key}"].metadata["tags"]
    said = {cell.id: str(cell.outputs) for cell in cut.cells if cell.cell_type == "code"}
    right = {cell.id: str(cell.outputs) for cell in solved.cells if cell.cell_type == "code"}
    for number in numbers:
        assert "Not answered yet" in said["check-" + number.replace(".", "-")]
        assert "✔ Right" in right["check-" + number.replace(".", "-")]


def answers(notebook: nbformat.NotebookNode) -> dict:
    """What each task's check is given, made by the notebook's own answer cells."""
    cells, space = {cell.id: cell.source for cell in notebook.cells}, {}
    with torch.enable_grad():  # and as it was, whatever a setup cell switches off
        for name, source in cells.items():
            if name.startswith(("setup", "answer", "given")) and "check.task" not in source:
                exec(source, space)
    calls = (ARGUMENTS.fullmatch(source) for name, source in cells.items() if name.startswith("check"))
    return {call[1]: space[call[2]] for call in calls}


@names
def test_the_solution_answers_all_tasks_rightly(path):
    made = answers(nbformat.read(path, as_version=4))
    assert list(made) == [number for number in TASKS if number.startswith(path.name[:2])]
    assert {number: repr(task(number, answer)) for number, answer in made.items()} == {
        number: f"{number} ✔ Right." for number in made
    }


@names
def test_a_student_begins_with_answers_that_are_not_answered(path):
    for number, answer in answers(exercises.cut(nbformat.read(path, as_version=4))).items():
        assert task(number, answer).status == "not answered yet", number


def solved() -> nbformat.NotebookNode:
    code = "def f(x):\n    '''Twice.'''\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    cells = [new_markdown_cell("the task"), new_code_cell(code), new_markdown_cell("because")]
    cells[2].metadata["tags"] = ["solution"]
    return new_notebook(cells=cells)


def test_a_cut_has_neither_solutions_nor_reasons():
    whole = solved()
    made = exercises.cut(whole)
    assert [cell.source for cell in made.cells] == [
        "the task",
        "def f(x):\n    '''Twice.'''\n    pass  # your code here",
    ]
    assert len(whole.cells) == 3 and "return 2" in whole.cells[1].source


@pytest.mark.parametrize("broken", ["### BEGIN SOLUTION\nx = 1", "x = 1\n### END SOLUTION"])
def test_a_solution_with_one_mark_is_refused(broken):
    with pytest.raises(ValueError, match="both of its marks"):
        exercises.cut(new_notebook(cells=[new_code_cell(broken)]))


def test_a_stale_exercise_is_noticed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exercises, "NOTEBOOKS", tmp_path)
    (tmp_path / "solutions").mkdir()
    (tmp_path / "exercises").mkdir()
    nbformat.write(solved(), tmp_path / "solutions" / "01_x.ipynb")
    monkeypatch.setattr(sys, "argv", ["exercises", "--check"])
    assert exercises.main() == 1 and "exercises/01_x.ipynb" in capsys.readouterr().out
    whole = nbformat.read(tmp_path / "solutions" / "01_x.ipynb", as_version=4)
    nbformat.write(exercises.cut(whole), tmp_path / "exercises" / "01_x.ipynb")
    assert exercises.main() == 0
    monkeypatch.setattr(sys, "argv", ["exercises", "07"])
    assert exercises.main() == 2 and "there are exercises for 01" in capsys.readouterr().out


def test_a_hand_out_has_no_solution(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["exercises", "--without-solutions", str(tmp_path / "class")])
    assert exercises.main() == 0
    files = [path for path in (tmp_path / "class").rglob("*") if path.is_file()]
    assert {path.name for path in SOLVED} <= {path.name for path in files if path.parent.name == "exercises"}
    assert {"latentlab.html", "LICENSE"} <= {path.name for path in files}
    for path in files:
        assert "solutions" not in path.parts
        assert path.suffix != ".ipynb" or "BEGIN SOLUTION" not in path.read_text("utf-8")
    assert exercises.main() == 1 and "isn't empty" in capsys.readouterr().out
