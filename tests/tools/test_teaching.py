"""The teacher's guide: its tables are the measured ones, its cells exist, its test has one key."""

import copy
import json
import re
from types import SimpleNamespace

import nbformat
import pytest

from tools import build
from tools.teaching import __main__ as command
from tools.teaching import measures, report

GUIDE = command.PAGES
LESSONS = {path.stem[:2]: path for path in sorted(build.NOTEBOOKS.glob("*.ipynb"))}
PAGES = sorted(GUIDE.glob("*.md"))
TEST, KEY = ((GUIDE / f"{name}.md").read_text("utf-8") for name in ("concept_test", "concept_test_key"))
CITED = r"`(\d\d)/([\w-]+)`"


@pytest.fixture
def results():
    return json.loads(command.RESULTS.read_text("utf-8"))


@pytest.fixture(scope="module")
def cells():
    """Each lesson's cells, by id."""
    read = {number: nbformat.read(path, as_version=4) for number, path in LESSONS.items()}
    return {number: {cell.id: cell for cell in notebook.cells} for number, notebook in read.items()}


def page_of(number):
    return (GUIDE / f"{number}.md").read_text("utf-8")


# --- what was measured --------------------------------------------------------------------------------


def test_the_pages_quote_the_file(results):
    guide = (GUIDE / "README.md").read_text("utf-8")
    for name, table in (("lessons", report.lessons), ("classroom", report.classroom)):
        assert f"<!-- {name} -->\n{table(results)}\n<!-- /{name} -->" in guide
    for name in results["lessons"]:
        if (GUIDE / f"{name[:2]}.md").is_file():
            assert f"<!-- minutes -->\n{report.lesson(results, name)}\n<!-- /minutes -->" in page_of(name[:2])


def test_what_was_measured_are_the_lessons_as_they_are(results, cells):
    """Words may change a little without all lessons being run again; a slow cell that is gone may not."""
    for name, measured in results["lessons"].items():
        now = measures.reading(nbformat.read(build.NOTEBOOKS / f"{name}.ipynb", as_version=4))
        assert now["words"] == pytest.approx(measured["words"], rel=0.1), "python course.py teaching " + name
        assert now["guesses"] == measured["guesses"], "python course.py teaching " + name
        for run in measured["threads"].values():
            assert run["slowest"].keys() <= cells[name[:2]].keys()
            assert run["quiet"] == (run["cores_used_by_others"] < measures.QUIET)
            assert sum(run["slowest"].values()) < run["seconds"] and run["shared_mb"] < run["peak_mb"]


def test_every_lesson_with_a_page_is_measured_and_has_what_a_teacher_needs(results):
    for number in (path.stem for path in PAGES if path.stem.isdigit()):
        assert LESSONS[number].stem in results["lessons"]
        titles = re.findall(r"^## (.+)$", page_of(number), re.M)
        assert titles == [
            "Minutes",
            "What students get wrong, and why",
            "Questions for the room",
            "45 minutes",
            "90 minutes",
            "Afterwards",
        ]
        assert "**Goals.**" in page_of(number)


def test_a_plan_fits_into_its_minutes():
    for number in (path.stem for path in PAGES if path.stem.isdigit()):
        text = page_of(number)
        short, long = text.split("## 45 minutes")[1].split("## 90 minutes")
        minutes = [sum(map(int, re.findall(r"^\| (\d+) \|", part, re.M))) for part in (short, long)]
        assert minutes[0] == 45 and sum(minutes) <= 90, (number, minutes)


def test_the_classroom_is_computed_from_the_worst_lesson(results):
    changed = copy.deepcopy(results)
    large = max(changed["lessons"].values(), key=lambda of: of["threads"]["1"]["peak_mb"])
    large["threads"]["1"] |= {"peak_mb": 2000, "shared_mb": 200, "cpu_seconds": 600}
    changed["server_mb"] = 100
    told = " ".join(report.classroom(changed).split())
    for sum_ in (
        "2,000 MB at most",
        "30 × 2,100 MB = 63 GB",
        "200 + 30 × 1,900 MB = 57 GB",
        "1.3 × 2,100 MB = 2.7 GB; set 3 GB",
        "30 × 10.0 = 300 core-minutes",
        "75 on 4, 38 on 8, 19 on 16, 9 on 32 cores",
        "300 / 45 = 6.7 cores",
    ):
        assert sum_ in told


def test_the_limit_that_the_hub_is_given_is_the_computed_one(results):
    guide = (GUIDE / "README.md").read_text("utf-8")
    (computed,) = re.findall(r"set ([\d.]+) GB", report.classroom(results))
    assert int(re.search(r"limits\.memory (\d+)M", guide)[1]) == 1000 * float(computed)


def test_what_the_guide_says_of_binders_memory(results):
    """1 GB is guaranteed, 2 GB the most."""
    peaks = [run["peak_mb"] for of in results["lessons"].values() for run in of["threads"].values()]
    assert min(peaks) > 1000 and max(peaks) + results["server_mb"] < 2000


def test_a_disturbed_run_is_owned_up_to(results):
    for of in results["lessons"].values():
        for run in of["threads"].values():
            run.update(quiet=True, cores_used_by_others=0.04)
    assert "It was quiet (other programs used up to 0.04" in report.lessons(results)
    assert "too many" not in report.lesson(results, "01_autoencoder") + report.lessons(results)
    results["lessons"]["01_autoencoder"]["threads"]["2"].update(quiet=False, cores_used_by_others=1.2)
    assert f"1 of {2 * len(results['lessons'])} runs were disturbed" in report.lessons(results)
    assert "up to 1.20 of a core" in report.lessons(results)
    assert "(too many: other programs were running)" in report.lesson(results, "01_autoencoder")


SMALL = """held = bytearray(80_000_000)
del held"""


def test_a_run_measures_time_memory_and_the_slowest_cell(monkeypatch, tmp_path):
    """The peak outlives what was freed; the threads reach the kernel."""
    sources = {"quick": "1", "slow": "import time; time.sleep(0.5)", "held": SMALL}
    sources["threads"] = "import os; assert os.environ['OMP_NUM_THREADS'] == '1'"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, id=name) for name, source in sources.items()]
    )
    nbformat.write(notebook, tmp_path / "small.ipynb")
    monkeypatch.setattr(build, "NOTEBOOKS", tmp_path)
    for name in ("OMP_NUM_THREADS", "LATENTLAB_DEVICE"):
        monkeypatch.setenv(name, "put back after the test")
    run = measures.run("small", 1)
    assert next(iter(run["slowest"])) == "slow" and 0.5 <= run["slowest"]["slow"] < run["seconds"]
    assert run["peak_mb"] > 80 + run["shared_mb"] and 0 < run["cpu_seconds"] < run["seconds"] + 1


def test_named_lessons_are_measured_and_the_others_kept(monkeypatch, tmp_path, results, capsys):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "teaching.json")
    monkeypatch.setattr(command, "machine", lambda: results["machine"])
    monkeypatch.setattr(command, "write", lambda found: None)
    again = results["lessons"]["02_variational_autoencoder"]["threads"]["1"] | {"seconds": 77.0}
    seen = []
    monkeypatch.setattr(
        command,
        "measures",
        SimpleNamespace(reading=measures.reading, run=lambda *job: seen.append(job) or again),
    )
    command.RESULTS.write_text(json.dumps(results))
    monkeypatch.setattr("sys.argv", ["teaching", "01_autoencoder"])
    assert command.main() == 0 and seen == [("01_autoencoder", 2), ("01_autoencoder", 1)]
    after = json.loads(command.RESULTS.read_text())["lessons"]
    assert after["01_autoencoder"]["threads"]["2"]["seconds"] == 77
    assert after["02_variational_autoencoder"] == results["lessons"]["02_variational_autoencoder"]
    monkeypatch.setattr("sys.argv", ["teaching", "99_nothing"])
    assert command.main() == 2 and "there is no lesson 99_nothing" in capsys.readouterr().out


# --- what the guide says of the lessons ---------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_cells_that_are_named_exist(path, cells):
    for number, name in re.findall(CITED, path.read_text("utf-8")):
        assert name in cells[number], f"{number}/{name}"


def paragraphs(text):
    """Paragraphs, entries of lists and rows of tables, each in one line."""
    text = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", text, flags=re.S)
    return [" ".join(part.split()) for part in re.split(r"\n\n|\n(?=\s*(?:- |\d+\. |\|))", text)]


def said(cell):
    outputs = cell.get("outputs", [])
    shown = [
        output.get("text", "") + str(output.get("data", {}).get("text/markdown", "")) for output in outputs
    ]
    return "\n".join([cell.source, *shown])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_decimals_beside_a_cell_are_that_cells(path, cells):
    """A number that a lesson no longer prints must not live on in the guide."""
    for part in paragraphs(path.read_text("utf-8")):
        cited = [cells[number][name] for number, name in re.findall(CITED, part)]
        prose = re.sub(r"\]\([^)]*\)|`[^`]*`", "", part)  # links and code are no statements
        for number in re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", prose) if cited else []:
            found = any(re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", said(cell)) for cell in cited)
            assert found, f"{number} in: {part}"


def test_each_misconception_says_what_it_rests_on():
    for number in (path.stem for path in PAGES if path.stem.isdigit()):
        section = page_of(number).split("## What students get wrong, and why")[1].split("\n## ")[0]
        beliefs = [part for part in paragraphs(section) if part.startswith("- ")]
        assert len(beliefs) >= 5
        for part in beliefs:
            assert re.search(r"Grounds:|\*A guess|[Rr]eaders of the first edition|github\.com", part), part


# --- the concept test ---------------------------------------------------------------------------------


def questions():
    """Each question's number, text and options, in their order."""
    parts = re.split(r"^\*\*(\d+)\.\*\* ", TEST, flags=re.M)[1:]
    return {
        int(number): re.findall(r"^- ([A-Z])\. (.+(?:\n  .+)*)", text, re.M)
        for number, text in zip(parts[::2], parts[1::2], strict=True)
    }


def keyed():
    """Each question's answer and what the key says of it."""
    parts = re.split(r"^## (\d+) · ([A-D])$", KEY, flags=re.M)[1:]
    return {
        int(number): (answer, text)
        for number, answer, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def test_there_are_fifteen_questions_with_four_options_each():
    assert list(questions()) == list(range(1, 16)) == list(keyed())
    for options in questions().values():
        assert [letter for letter, _ in options] == list("ABCD")
        assert len({text for _, text in options}) == 4


def test_the_keys_table_and_its_sections_agree():
    table = re.findall(r"^\| (\d+) \| .+? \| ([A-D]) \| ([\d, ]+) \|$", KEY, re.M)
    assert [(int(number), answer) for number, answer, _ in table] == [(n, a) for n, (a, _) in keyed().items()]
    assert {lesson for _, _, lessons in table for lesson in lessons.split(", ")} >= {
        path.stem for path in PAGES if path.stem.isdigit()
    }, "each lesson is asked about"
    for number, _, lessons in table:
        cited = {lesson for lesson, _ in re.findall(CITED, keyed()[int(number)][1])}
        assert set(lessons.split(", ")) <= cited, number


def test_each_wrong_option_has_its_misconception_by_name():
    names = []
    for answer, text in keyed().values():
        wrong = re.findall(r"^- ([A-D]), \*(.+?)\*: \S", text, re.M)
        assert [letter for letter, _ in wrong] == [letter for letter in "ABCD" if letter != answer]
        names += [name for _, name in wrong]
        assert re.search(CITED, text.split("\n- ")[0]), "where it is settled"
    assert len(names) == 45


def test_the_test_does_not_give_its_answers_away():
    """Not by the letter, not by the length of an option, and not by a link to the key."""
    answers = [answer for answer, _ in keyed().values()]
    assert all(3 <= answers.count(letter) <= 5 for letter in "ABCD")
    longest = [max(options, key=lambda option: len(option[1]))[0] for options in questions().values()]
    assert sum(a == b for a, b in zip(longest, answers, strict=True)) <= 6
    assert "concept_test_key" not in TEST and not re.search(CITED, TEST)


def test_the_key_says_that_nobody_has_validated_it():
    assert "**Not validated.**" in KEY and "gain = (mean after − mean before) / (15 − mean before)" in KEY
