"""The package as a whole: which module may know which, what an import costs, what is installed."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

import latentlab_helpers

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "latentlab_helpers"
GROUND = {
    "attributes",
    "autoregressive",
    "conditional",
    "datasets",
    "devices",
    "distributed",
    "files",
    "latent",
    "likelihoods",
    "losses",
    "models",
    "objectives",
    "priors",
    "shapes",
    "threads",
}
MIDDLE = {"training", "checkpoints", "coding", "metrics", "results"}
TOP = {"check", "plots", "explore"}
DRAWING = {"matplotlib", "ipywidgets", "anywidget", "PIL", "IPython"}


def dotted(path):
    """A file's name as an import has it, without the package's own: "datasets", "plots", "plots.curves"."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
NAMES = sorted({name.split(".")[0] for name in MODULES} - {""})


def imports(path):
    """The package's own modules, and the others, that a file imports anywhere in it."""
    own, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            others |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1]
            base = ".".join([*folder.relative_to(PACKAGE).parts, *(node.module or "").split(".")]).strip(".")
            for name in (f"{base}.{each.name}".strip(".") for each in node.names):
                own.add(name if name in MODULES else base)
    return own, others


@pytest.mark.parametrize("name", sorted(set(MODULES) - {""}))
def test_imports_run_one_way(name):
    own, others = imports(MODULES[name])
    room = name.split(".")[0]
    below = {
        **dict.fromkeys(GROUND | MIDDLE, GROUND),
        "adversarial": GROUND | {"training"},
        **dict.fromkeys(TOP, GROUND | MIDDLE | {"plots"}),
        "plots": GROUND | MIDDLE,
        "check": GROUND | MIDDLE | {"plots", "explore"},
    }
    assert room in below, "a new module needs a floor"
    assert {each.split(".")[0] for each in own} - {room} <= below[room]
    assert not others & {"latentlab_helpers", "tools", "tests", "course"}
    if room not in TOP:
        assert not others & DRAWING


def test_no_modules_import_each_other_in_a_circle():
    graphlib.TopologicalSorter({name: imports(path)[0] for name, path in MODULES.items()}).prepare()


def test_files_are_written_by_one_function():
    for name, path in MODULES.items():
        text = path.read_text("utf-8")
        if name != "files":
            assert not re.search(r"write_(text|bytes)\(|open\([^)]*[\"'][wax]b?[\"']|os\.replace", text), name


def test_importing_the_package_is_light():
    code = (
        "import sys, latentlab_helpers as h; heavy = {'torch', 'numpy', 'torchvision', 'matplotlib'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "assert set(h.__all__) <= set(dir(h)); h.losses; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("system, expected", [("linux", ["PASSIVE", "6000"]), ("darwin", ["None"] * 2)])
def test_openmp_is_set_for_gnus_library_alone(system, expected):
    code = f"import os, sys; sys.platform = {system!r}; import latentlab_helpers; "
    code += "print(*map(os.environ.get, ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')))"
    free = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, "-c", code], env=free, capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


def test_every_module_is_offered():
    assert latentlab_helpers.__all__ == NAMES
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = latentlab_helpers.nonsense


def public(path):
    """The functions and classes that a file offers."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    body = ast.parse(path.read_text("utf-8")).body
    return [node for node in body if isinstance(node, kinds) and not node.name.startswith("_")]


def mentioned(*nodes):
    """All names in some code."""
    kinds = {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}
    walked = (each for node in nodes for each in ast.walk(node) if type(each) in kinds)
    return {getattr(each, kinds[type(each)]) for each in walked}


def test_what_no_notebook_calls_leaves_the_module():
    """Everything public is called in a lesson or a solution, or by what is."""
    alive, waiting = set(), {}
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/solutions/*.ipynb")]:
        cells = nbformat.read(path, 4).cells
        source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        alive |= mentioned(ast.parse(re.sub(r"^\s*[%!].*", "", source, flags=re.M)))
    for path in MODULES.values():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                waiting[path.stem, node.name] = mentioned(node)
            elif not isinstance(node, ast.Import | ast.ImportFrom):
                alive |= mentioned(node)  # it is run when the module is imported
    while called := {key for key in waiting if key[1] in alive}:
        alive |= set().union(*map(waiting.pop, called))
    assert not [key for key in waiting if not key[1].startswith("__")]


@pytest.mark.parametrize("name", MODULES)
def test_whatever_is_public_says_what_it_does(name):
    assert ast.get_docstring(ast.parse(MODULES[name].read_text("utf-8"))), "what is this module for?"
    if not name.startswith("check.tasks."):  # where the notebooks say what is asked
        for node in public(MODULES[name]):
            assert ast.get_docstring(node), node.name


# What Colab had in August 2026; its own packages must survive the install.
COLAB = {
    "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1",
    "matplotlib": "3.10.0",
    "numpy": "2.1.0",
    "scikit-learn": "1.6.1",
    "torch": "2.11.0",
    "torchvision": "0.26.0",
}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_dependencies_have_lower_bounds_and_no_upper_pins():
    listed = [Requirement(line) for line in project()["dependencies"]]
    extras = [Requirement(line) for lines in project()["optional-dependencies"].values() for line in lines]
    for requirement in [*listed, *extras]:
        bounds = sorted(s.operator for s in requirement.specifier)
        assert bounds in ([">="], ["!=", ">="]), str(requirement)  # a broken release may be left out
        if requirement.name in COLAB and requirement in listed:  # which is what Colab installs
            assert COLAB[requirement.name] in requirement.specifier, f"Colab's {requirement.name} is too old"
        if (
            requirement.name == "ipywidgets" and requirement in listed
        ):  # shows nothing in VS Code (vscode-jupyter#17504)
            assert "8.1.9" not in requirement.specifier
    assert set(project()["optional-dependencies"]) == {"lab", "test", "lint"}


def test_what_the_package_imports_is_what_it_depends_on():
    listed = {Requirement(line).name for line in project()["dependencies"]}
    used = set().union(*(imports(path)[1] for path in MODULES.values())) - set(sys.stdlib_module_names)
    names = {"IPython": "ipython", "sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow"}
    assert {names.get(name, name) for name in used} == listed


def test_environment_yml_installs_the_project_and_nothing_else():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    python, pip, from_pip = environment["dependencies"]
    assert python == "python" + project()["requires-python"] and pip == "pip"
    assert from_pip == {"pip": ["-e .[lab,test]"]}
    assert set(project()["optional-dependencies"]) >= {"lab", "test"}


ALONE = """
import sys
from latentlab_helpers import checkpoints, datasets, files
assert "installed" in str(files.PACKAGE), files.PACKAGE
assert [len(datasets.load("mnist", split).images) for split in ("train", "test")] == [60000, 10000]
assert [len(datasets.load("fashion", split).images) for split in ("train", "test")] == [10000, 2000]
assert "torchvision" not in sys.modules, "the course has no need of it"
for name in checkpoints.names():
    checkpoints.load(name)
print(*checkpoints.names())
"""


def test_the_wheel_brings_data_and_weights_and_works_alone(tmp_path):
    """Installed without the repository: data, weights and a model, from the wheel's own files."""
    command = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    built = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, check=True, capture_output=True, text=True
    )
    with zipfile.ZipFile(tmp_path / built.stdout.split()[-1]) as wheel:
        wheel.extractall(tmp_path / "installed")
        names = wheel.namelist()
    assert not [name for name in names if not name.startswith("latentlab")]
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    shipped = {path.stem for path in (ROOT / "data" / "checkpoints").glob("*.safetensors")}
    assert done.stdout.split() == sorted(shipped) and len(shipped) == 19
