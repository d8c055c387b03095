"""nbgrader hands out an exercise, and grades right, partly right, wrong and crashing submissions of it."""

import sqlite3
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import exercises, grading

pytest.importorskip("nbgrader")
NAME = "02_small"


def cell(key, source, points=0, solution=False):
    made = new_code_cell(source, id=key)
    facts = {"grade_id": key, "schema_version": 3, "cell_type": "code", "task": False}
    facts |= {"grade": points > 0, "solution": solution, "locked": not solution}
    made.metadata["nbgrader"] = facts | ({"points": points} if points else {})
    return made


RIGHT = "return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1).mean()"
ANSWER = f"def kl(mu, logvar):\n    ### BEGIN SOLUTION\n    {RIGHT}\n    ### END SOLUTION"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The folder after grading five students, and what each has handed in for two tasks."""
    folder = tmp_path_factory.mktemp("grading") / "class"
    lessons = tmp_path_factory.mktemp("lessons")
    (lessons / "solutions").mkdir()
    cells = [
        cell("setup", "from latentlab_helpers import check"),
        cell("answer-1", ANSWER, solution=True),
        cell("check-1", 'check.task("02.1", kl)', points=2),
        cell("answer-2", ANSWER.replace("def kl", "def again"), solution=True),
        cell("check-2", 'check.task("02.1", again)', points=1),
    ]
    nbformat.write(new_notebook(cells=cells), lessons / "solutions" / f"{NAME}.ipynb")
    patch = pytest.MonkeyPatch()
    patch.setattr(grading, "NOTEBOOKS", lessons)
    patch.setattr(sys, "argv", ["grading", str(folder)])
    assert grading.main() == 0
    assert grading.run(folder, ["generate_assignment", NAME]) == 0
    release = folder / "release" / NAME / f"{NAME}.ipynb"
    wrong = RIGHT.replace("0.5 * ", "")
    submissions = {
        "right": (RIGHT, RIGHT),
        "partly": (RIGHT, wrong),
        "wrong": (wrong, exercises.STUB),
        "warning": ("import warnings; warnings.warn('slow'); " + RIGHT, RIGHT),
        "crashing": ("return 1 / 0", RIGHT + "\n  oops("),
    }
    for student, answers in submissions.items():
        notebook = nbformat.read(release, as_version=4)
        found = [one for one in notebook.cells if one.id.startswith("answer")]
        for one, answer in zip(found, answers, strict=True):
            one.source = one.source.replace(exercises.STUB, answer)
        place = folder / "submitted" / student / NAME
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{NAME}.ipynb")
    assert grading.run(folder, ["autograde", NAME, "--create"]) == 0
    assert grading.run(folder, ["generate_feedback", NAME]) == 0
    patch.undo()
    return folder


def test_nbgrader_cuts_as_the_course_does(graded):
    release = nbformat.read(graded / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    solved = nbformat.read(graded / "source" / NAME / f"{NAME}.ipynb", as_version=4)
    assert [one.source for one in release.cells] == [one.source for one in exercises.cut(solved).cells]


def test_the_points_are_those_that_were_earned(graded):
    with sqlite3.connect(graded / "gradebook.db") as book:
        rows = book.execute(
            "select submitted_assignment.student_id, sum(coalesce(grade.auto_score, 0)) from grade "
            "join submitted_notebook on grade.notebook_id = submitted_notebook.id "
            "join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id "
            "group by submitted_assignment.student_id"
        ).fetchall()
    assert dict(rows) == {"right": 3, "warning": 3, "partly": 2, "wrong": 0, "crashing": 0}


@pytest.mark.parametrize(
    "student, said",
    [("partly", "½ is missing"), ("crashing", "ZeroDivisionError"), ("wrong", "Not answered yet")],
)
def test_the_feedback_has_the_hint_and_no_line_of_the_course(graded, student, said):
    page = (graded / "feedback" / student / NAME / f"{NAME}.html").read_text("utf-8")
    assert said in page
    assert "latentlab_helpers/check" not in page and "judged(" not in page


@pytest.mark.parametrize("text", ["ada\n\nbob\nada\n", "first_name,id\nAda,ada\nBob,bob\n"])
def test_students_are_in_the_gradebook_from_the_beginning(tmp_path, monkeypatch, text):
    (tmp_path / "class.csv").write_text(text, "utf-8")
    monkeypatch.setattr(
        sys, "argv", ["grading", str(tmp_path / "new"), "--students", str(tmp_path / "class.csv")]
    )
    assert grading.main() == 0
    with sqlite3.connect(tmp_path / "new" / "gradebook.db") as book:
        assert [name for (name,) in book.execute("select id from student order by id")] == ["ada", "bob"]


def test_what_goes_wrong_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("kept")
    (tmp_path / "table").write_text("Ada,Lovelace\n")
    for arguments, hint in (
        ([str(tmp_path / "full")], "isn't empty"),
        ([str(tmp_path / "new"), "autograde", NAME], "is no grading folder yet"),
        ([str(tmp_path / "new"), "--students", str(tmp_path / "nobody")], "wasn't made"),
        ([str(tmp_path / "new"), "--students", str(tmp_path / "table")], 'without a column "id"'),
    ):
        monkeypatch.setattr(sys, "argv", ["grading", *arguments])
        assert grading.main() == 1 and hint in capsys.readouterr().out
    assert (tmp_path / "full" / "x").read_text() == "kept" and not (tmp_path / "new").exists()
