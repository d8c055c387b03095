"""Write the project's address wherever one belongs.

    python course.py home https://github.com/OWNER/NAME

pyproject.toml states it; from there come the Colab links in docs/hosts.md and the notebooks' first cells,
which install the course where it isn't installed yet. Call it again whenever the project moves.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from latentlab_helpers.files import write_whole
from tools.quote import quote

ROOT = Path(__file__).resolve().parent.parent
FORM = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
BARE = "import latentlab_helpers"
INSTALL = "install"  # the cell's id in exercises, whose first cell imports more than the course


def stated(root: Path = ROOT) -> str | None:
    """The address in pyproject.toml, or None while there is none."""
    found = re.search(r'^Home = "(.+)"$', (root / "pyproject.toml").read_text("utf-8"), re.M)
    return found and found[1]


def setup_cell(home: str | None) -> str:
    """The first code cell of a notebook: prints nothing where the course is installed."""
    if home is None:
        return BARE
    return (
        f"try:\n    {BARE}\nexcept ModuleNotFoundError:\n"
        f"    %pip install -q --no-deps git+{home}\n    %pip install -q anywidget\n    {BARE}"
    )


def colab(home: str, path: str) -> str:
    """Where Colab opens one of the repository's notebooks."""
    place = home.replace("https://github.com", "https://colab.research.google.com/github")
    return f"{place}/blob/main/{path}"


def binder(home: str, path: str) -> str:
    """Where Binder builds the repository's environment, and opens a notebook in it."""
    return home.replace("https://github.com", "https://mybinder.org/v2/gh") + f"/HEAD?urlpath=lab/tree/{path}"


def colab_lines(home: str | None, notebooks: list[str]) -> str:
    """The paragraph on Colab in docs/hosts.md."""
    if home is None:
        return (
            "Build a wheel with `pip wheel --no-deps .`, upload it and a notebook to Colab, and run\n"
            "`%pip install -q --no-deps latentlab-*.whl` and `%pip install -q anywidget` first. "
            "The wheel includes the\ndata and the weights."
        )
    links = [f"[{name[:2]}]({colab(home, f'notebooks/{name}')})" for name in notebooks]
    return f"Open {', '.join(links)} in Colab. The first cell installs the course, data and weights included."


def write(home: str, root: Path = ROOT) -> None:
    project = root / "pyproject.toml"
    text = re.sub(r'\n\[project\.urls\]\nHome = ".*"\n', "", project.read_text("utf-8"))
    head, tool, rest = text.partition("\n[tool.")
    write_whole(project, f'{head}\n[project.urls]\nHome = "{home}"\n{tool}{rest}')

    paths = sorted((root / "notebooks").glob("*.ipynb"))
    quote(root / "docs" / "hosts.md", "colab", colab_lines(home, [path.name for path in paths]))
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        first.source = setup_cell(home)
        write_whole(path, nbformat.writes(notebook) + "\n")
    for path in sorted((root / "notebooks").glob("[a-z]*/*.ipynb")):  # exercises, and their solutions
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if cell.id != INSTALL]
        place = [cell.cell_type for cell in cells].index("code")
        install = new_code_cell(setup_cell(home), id=INSTALL)
        notebook.cells = [*cells[:place], install, *cells[place:]]
        write_whole(path, nbformat.writes(notebook) + "\n")


def main() -> int:
    match = FORM.fullmatch(sys.argv[1]) if len(sys.argv) == 2 else None
    if not match:
        print("usage: python course.py home https://github.com/OWNER/NAME")
        return 2
    write(f"https://github.com/{match[1]}/{match[2]}")
    print("written into pyproject.toml, docs/hosts.md and the notebooks; now write the page again with")
    print("'python course.py page', look at `git diff`, and commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
