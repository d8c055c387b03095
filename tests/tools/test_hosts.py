"""Binder, dev container and conda: their files name the Python and the packages that pyproject.toml has.

The hosts themselves can't be run here. What can be wrong in their files is compared.
"""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BINDER, CONDA = (
    yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("binder/environment.yml", "environment.yml")
)
POST_BUILD = (ROOT / "binder" / "postBuild").read_text("utf-8")
TESTED = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))["jobs"]["test"]


def jsonc(path):
    """JSON with comments on lines of their own."""
    lines = path.read_text("utf-8").splitlines()
    return json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))


CONTAINER = jsonc(ROOT / ".devcontainer" / "devcontainer.json")


def pythons():
    """The version of Python that each host names."""
    (binder,) = (line for line in BINDER["dependencies"] if line.startswith("python"))
    return {
        "binder": binder.removeprefix("python="),
        "dev container": CONTAINER["image"].partition("devcontainers/python:")[2],
    }


@pytest.mark.parametrize("host", pythons())
def test_a_host_has_a_python_that_the_course_admits_and_tests(host):
    version = pythons()[host]
    assert re.fullmatch(r"\d\.\d+", version), version  # repo2docker reads python=x.y and nothing more
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert version in TESTED["strategy"]["matrix"]["python"]


def test_hosts_agree_on_their_python():
    assert len(set(pythons().values())) == 1


def extras(line):
    """The extras of `-e .[…]` or `-e ".[…]"`, which must exist."""
    (found,) = re.findall(r'-e "?\.\[([\w,]+)\]', line)
    assert set(found.split(",")) <= set(PROJECT["optional-dependencies"])
    return set(found.split(","))


def test_binder_and_conda_install_the_project_and_list_no_package_of_their_own():
    """What the course needs stands in pyproject.toml. A list of one's own would fall behind."""
    assert [re.match(r"\w+", line)[0] for line in BINDER["dependencies"]] == ["python", "pip"]
    installs = re.findall(r"^python -m pip install (.+)$", POST_BUILD, re.M)
    assert [extras(line) for line in installs if "-e" in line] == [{"lab"}]
    python, pip, from_pip = CONDA["dependencies"]
    assert python == "python" + PROJECT["requires-python"] and pip == "pip"
    (line,) = from_pip["pip"]
    assert extras(line) == {"lab", "test"}
    assert BINDER["channels"] == CONDA["channels"] == ["conda-forge"]


def test_binder_takes_the_cpu_build_of_torch_before_the_course_asks_for_any():
    first, second = re.findall(r"^python -m pip install (.+)$", POST_BUILD, re.M)
    course = (ROOT / "course.py").read_text("utf-8")
    (index,) = re.findall(r'^CPU_INDEX = "(.+?)"', course, re.M)
    assert f"--index-url {index} " in first and first.split()[-1] == "torch" and "-e" in second
    assert any(Requirement(line).name == "torch" for line in PROJECT["dependencies"])


def test_the_post_build_script_can_be_run():
    assert POST_BUILD.startswith("#!/bin/bash\n") and "\nset -e\n" in POST_BUILD
    assert os.name != "posix" or os.access(ROOT / "binder" / "postBuild", os.X_OK)
    assert "\r" not in POST_BUILD


def test_repo2docker_finds_one_folder_and_no_dockerfile():
    """Both folders are not allowed, and a Dockerfile would make it ignore all the rest."""
    assert not (ROOT / ".binder").exists()
    assert not (ROOT / "Dockerfile").exists() and not (ROOT / "binder" / "Dockerfile").exists()


def test_the_dev_container_makes_the_environment_that_vs_code_is_told_of():
    command = CONTAINER["updateContentCommand"].split()
    assert command[:2] == ["python", "course.py"] and (ROOT / command[1]).is_file() and command[2] == "lab"
    vscode = CONTAINER["customizations"]["vscode"]
    place = vscode["settings"]["python.defaultInterpreterPath"].removeprefix("${containerWorkspaceFolder}/")
    assert f'".latentlab-lowest" if lowest else "{place.split("/")[0]}"' in (ROOT / "course.py").read_text()
    assert "ms-toolsai.jupyter" in vscode["extensions"]


def test_the_dev_container_shows_widgets_as_the_docs_say():
    sources = CONTAINER["customizations"]["vscode"]["settings"]["jupyter.widgetScriptSources"]
    assert json.dumps(sources) in (ROOT / "docs" / "hosts.md").read_text("utf-8")


def test_the_dev_container_has_room_for_the_hungriest_lesson():
    found = json.loads((ROOT / "results" / "teaching.json").read_text("utf-8"))
    peak = max(run["peak_mb"] for of in found["lessons"].values() for run in of["threads"].values())
    asked = CONTAINER["hostRequirements"]
    assert float(asked["memory"].removesuffix("gb")) * 1000 > peak + found["server_mb"]
    assert asked["cpus"] == 2  # what the lessons' minutes are stated for
