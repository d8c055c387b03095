"""What keeps the house tidy: one command, and workflows that say what they mean."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools import lint

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("answers, code", [({}, 0), ({"mypy": 1}, 1)])
def test_one_check_that_fails_makes_lint_fail_and_the_others_still_run(monkeypatch, capsys, answers, code):
    ran = []

    def run(command, cwd):
        ran.append(" ".join(command))
        return subprocess.CompletedProcess(command, max(answers.get(word, 0) for word in command))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("shutil.which", lambda name: None if name == "actionlint" else name)
    monkeypatch.setattr(sys, "argv", ["lint"])
    assert lint.main() == code
    assert [len(ran), "left out, for there is no actionlint" in capsys.readouterr().out] == [4, True]


def test_it_mends_only_when_asked():
    look, mend = lint.checks(fix=False), lint.checks(fix=True)
    assert "--check" in look["their form"] and "--fix" not in look["code and notebooks"]
    assert "--check" not in mend["their form"] and "--fix" in mend["code and notebooks"]


def test_the_code_has_its_form():
    """ruff, which reads the notebooks, too; types and JavaScript are checked by the command."""
    pytest.importorskip("ruff")
    for command in list(lint.checks(fix=False).values())[:2]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert not done.returncode, done.stdout


def test_the_workflow_tests_what_the_course_promises():
    """`on` is read as true: YAML 1.1 takes it for a boolean."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    everywhere = {os for os in matrix["os"]} | {more["os"] for more in matrix["include"]}
    assert everywhere == {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert {"lowest", "candidate"} <= {more["versions"] for more in matrix["include"]}
    assert "schedule" in workflow[True], "a weekly canary"


def test_conda_gets_what_pip_gets():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip == ["-e .[lab,test]"], "the dependencies stand in pyproject.toml, and only there"
