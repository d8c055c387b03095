"""The package as a whole: which module may know which, what an import costs, what is installed."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

import latentlab_helpers
from tools import home

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "latentlab_helpers").glob("*.py"))
GROUND = {"attributes", "datasets", "devices", "files", "models", "losses", "latent", "threads"}
MIDDLE = {"training", "checkpoints", "claims", "export", "metrics"}
TOP = {"plots", "explore"}
DRAWING = {"matplotlib", "ipywidgets", "anywidget", "PIL", "IPython"}


def imports(path):
    """The package's own modules, and the others, that a file imports anywhere in it."""
    own, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            others |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                own |= {node.module} if node.module else {name.name for name in node.names}
            else:
                others.add(node.module)
    own |= {name.split(".")[1] for name in others if name.startswith("latentlab_helpers.")}
    assert "latentlab_helpers" not in others, "submodules import each other by name"
    return own, {name.split(".")[0] for name in others}


@pytest.mark.parametrize("path", [p for p in MODULES if p.stem != "__init__"], ids=lambda p: p.stem)
def test_imports_run_one_way(path):
    own, others = imports(path)
    below = GROUND if path.stem in GROUND | MIDDLE else GROUND | MIDDLE | {"plots"}
    assert path.stem in GROUND | MIDDLE | TOP, "a new module needs a floor"
    assert own - {path.stem} <= below
    assert not others & {"tools", "tests", "course"}
    if path.stem not in TOP:
        assert not others & DRAWING


def test_importing_the_package_is_light():
    code = (
        "import sys, latentlab_helpers as h; heavy = {'torch', 'numpy', 'torchvision', 'matplotlib'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "assert set(h.__all__) <= set(dir(h)); h.losses; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_module_is_offered():
    assert latentlab_helpers.__all__ == [path.stem for path in MODULES if path.stem != "__init__"]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = latentlab_helpers.nonsense


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_every_public_function_says_what_it_does(path):
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    for node in [tree, *(n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_"))]:
        assert ast.get_docstring(node), f"{path.name}: {getattr(node, 'name', 'module')}"


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
        assert [s.operator for s in requirement.specifier] == [">="], str(requirement)
        if requirement.name in COLAB:
            assert COLAB[requirement.name] in requirement.specifier, f"Colab's {requirement.name} is too old"
    assert set(project()["optional-dependencies"]) == {"lab", "test"}


def test_what_the_package_imports_is_what_it_depends_on():
    listed = {Requirement(line).name for line in project()["dependencies"]}
    used = set().union(*(imports(path)[1] for path in MODULES)) - set(sys.stdlib_module_names)
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow"}
    assert {names.get(name, name) for name in used} == listed


def test_environment_yml_installs_the_project_and_nothing_else():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    python, pip, from_pip = environment["dependencies"]
    assert python == "python" + project()["requires-python"] and pip == "pip"
    assert from_pip == {"pip": ["-e .[lab,test]"]}
    assert set(project()["optional-dependencies"]) == set(re.findall(r"\w+", "lab,test"))


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
    code = (
        "from latentlab_helpers import checkpoints, datasets, files; "
        "assert 'installed' in str(files.PACKAGE), files.PACKAGE; "
        "assert len(datasets.load().images) == 60000; "
        "[checkpoints.load(name) for name in checkpoints.names()]; print(*checkpoints.names())"
    )
    env = {"PYTHONPATH": str(tmp_path / "installed"), "LATENTLAB_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, **env},
        check=True,
        capture_output=True,
        text=True,
    )
    shipped = sorted(path.stem for path in (ROOT / "data" / "checkpoints").glob("*.safetensors"))
    assert done.stdout.split() == shipped


@pytest.fixture
def copy(tmp_path):
    """The files that know the project's address."""
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def test_home_is_written_everywhere_and_can_move(copy):
    for address in ("https://github.com/first/one", "https://github.com/second/two"):
        home.write(address, copy)
        assert home.stated(copy) == address
        parsed = tomllib.loads((copy / "pyproject.toml").read_text("utf-8"))
        assert parsed["project"]["urls"] == {"Home": address}
        assert parsed["tool"] == tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
        readme = (copy / "README.md").read_text("utf-8")
        short = address.removeprefix("https://github.com/")
        for path in sorted((copy / "notebooks").glob("*.ipynb")):
            assert f"{short}/blob/main/notebooks/{path.name}" in readme
            notebook = nbformat.read(path, as_version=4)
            first = next(cell for cell in notebook.cells if cell.cell_type == "code")
            assert f"git+{address}" in first.source and "--no-deps" in first.source
            original = nbformat.read(ROOT / "notebooks" / path.name, as_version=4)
            assert [c.get("outputs") for c in notebook.cells] == [c.get("outputs") for c in original.cells]
    assert "first/one" not in readme + (copy / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["https://github.com/owner"], ["a", "b"]])
def test_an_address_that_is_none_is_refused(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["home", *arguments])
    assert home.main() == 2 and "OWNER/NAME" in capsys.readouterr().out


def test_no_file_states_another_home():
    """Until pyproject.toml has an address there is none anywhere; then it is the same everywhere."""
    stated = home.stated(ROOT)
    texts = {"README.md": (ROOT / "README.md").read_text("utf-8")}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        texts[path.name] = "\n".join(cell.source for cell in notebook.cells)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert first.source == home.setup_cell(stated)
    for name, text in texts.items():
        text = text.replace("https://github.com/OWNER/NAME", "")
        found = set(re.findall(r"(?:github|gitlab)\.com/(?:github/)?([\w.-]+/[\w.-]+)", text))
        found |= set(re.findall(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)", text))
        assert found <= {(stated or "").removeprefix("https://github.com/")}, name
    paths = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert home.colab_lines(stated, paths) in texts["README.md"]


def test_the_readme_maps_every_notebook():
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert re.search(rf"^\| \[.+\]\(notebooks/{path.name}\) \| .+ \| \d+ \|$", readme, re.M)
