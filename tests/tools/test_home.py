"""The project's address: written wherever one belongs, and nowhere another one."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from tools import exercises, home

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path):
    """The files that know the project's address."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def test_home_is_written_everywhere_and_can_move(copy):
    for address in ("https://github.com/first/one", "https://github.com/second/two"):
        home.write(address, copy)
        assert home.stated(copy) == address
        parsed = tomllib.loads((copy / "pyproject.toml").read_text("utf-8"))
        assert parsed["project"]["urls"] == {"Home": address}
        assert parsed["tool"] == tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
        hosts = (copy / "docs" / "hosts.md").read_text("utf-8")
        short = address.removeprefix("https://github.com/")
        for path in sorted((copy / "notebooks").glob("*.ipynb")):
            assert f"{short}/blob/main/notebooks/{path.name}" in hosts
            notebook = nbformat.read(path, as_version=4)
            first = next(cell for cell in notebook.cells if cell.cell_type == "code")
            assert f"git+{address}" in first.source and "--no-deps" in first.source
            original = nbformat.read(ROOT / "notebooks" / path.name, as_version=4)
            assert [c.get("outputs") for c in notebook.cells] == [c.get("outputs") for c in original.cells]
        for path in sorted((copy / "notebooks").glob("[a-z]*/*.ipynb")):
            cells = nbformat.read(path, as_version=4).cells
            installs = [i for i, cell in enumerate(cells) if f"git+{address}" in cell.source]
            assert installs == [next(i for i, cell in enumerate(cells) if cell.cell_type == "code")]
            solution, exercise = (
                copy / "notebooks" / part / path.name for part in ("solutions", "exercises")
            )
            assert exercises.is_current(solution, exercise)
    assert "first/one" not in hosts + (copy / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["https://github.com/owner"], ["a", "b"]])
def test_an_address_that_is_none_is_refused(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["home", *arguments])
    assert home.main() == 2 and "OWNER/NAME" in capsys.readouterr().out


def test_no_file_states_another_home():
    """Until pyproject.toml has an address there is none anywhere; then it is the same everywhere."""
    stated = home.stated(ROOT)
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    texts = {path.name: path.read_text("utf-8") for path in pages}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        texts[path.name] = "\n".join(cell.source for cell in notebook.cells)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert first.source == home.setup_cell(stated)
    for name, text in texts.items():
        text = re.sub(r"https://github\.com/(OWNER/NAME|[\w-]+/[\w-]+/(issues|pull)/\d+)", "", text)
        found = set(re.findall(r"(?:github|gitlab)\.com/(?:github/)?([\w.-]+/[\w.-]+)", text))
        found |= set(re.findall(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)", text))
        assert found <= {(stated or "").removeprefix("https://github.com/")}, name
    paths = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert home.colab_lines(stated, paths) in texts["hosts.md"]
