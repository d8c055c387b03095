"""The sources of the site, in a folder of their own: notebooks and pages, changed where a site needs it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from latentlab_helpers.files import write_whole
from tools.site import links
from tools.slides import cut

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = {
    "Lessons": ["notebooks/*.ipynb"],
    "Exercises": ["notebooks/exercises/*.ipynb"],
    "Solutions": ["notebooks/solutions/*.ipynb"],
    "Measured, and where it runs": ["docs/*.md", "data/README.md"],
    "For teachers": ["docs/teaching/README.md", "docs/teaching/[!R]*.md"],
}
ANSWERS = {"notebooks/solutions", "docs/teaching/concept_test_key.md"}
ASIDE = re.compile(r"^<!-- repository -->\n.*?^<!-- /repository -->\n", re.S | re.M)
STILL = 'A still picture. <a href="{}#{}">Move it by hand</a>, on models that come with the course.'
LEARNING = 'A still picture. <a href="{}#{}">Watch a network learn</a>.'


def chapters(solutions: bool) -> dict[str, list[Path]]:
    """What becomes a page, by its place in the repository."""
    found = {
        name: [path.relative_to(ROOT) for kind in kinds for path in sorted(ROOT.glob(kind))]
        for name, kinds in CHAPTERS.items()
    }
    if solutions:
        return found
    return {
        name: [path for path in paths if not {path.as_posix(), path.parent.as_posix()} & ANSWERS]
        for name, paths in found.items()
        if name != "Solutions"
    }


def described(cell: NotebookNode) -> str:
    """Say a figure's text alternative where myst-nb looks for it; the name of its instrument, if any."""
    drawn = [output.metadata["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    if not drawn:
        return ""
    alt = drawn[0].get("alt")
    if not alt or drawn[1:]:
        raise ValueError(f"cell {cell.id} should have one figure, with a text alternative")
    cell.metadata["mystnb"] = {"image": {"alt": alt}}
    called = re.search(r"\bexplore\.(\w+)\(", cell.source)
    if called and called[1] == "trainer":
        return "trainer"
    return cut.instrument_of(called[1], alt) if called else ""


def notebook(path: Path, pages: set[Path], address: str | None) -> NotebookNode:
    """A notebook as it was saved, with the site's links, and a way from a still picture to what moves."""
    made = nbformat.read(ROOT / path, as_version=4)
    kinds = {output.output_type for cell in made.cells for output in cell.get("outputs", [])}
    if not kinds or "error" in kinds:
        said = "an error among its outputs" if kinds else "no output"
        raise ValueError(f"{path} was saved with {said}: python course.py build {path}")
    cells = []
    for cell in made.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = links.relink(cell.source, path, pages, address)
        elif name := described(cell):
            still = (LEARNING if name == "trainer" else STILL).format(
                links.relative(Path("index.html"), path), name
            )
            cells.append(new_markdown_cell(f'<p class="still">{still}</p>'))
    made.cells = cells
    if path.parent.name == "solutions":  # whose titles are the exercises'
        cells[0].source = cells[0].source.replace("Exercises", "Solutions", 1)
    return made


def tree(name: str, pages: list[Path]) -> str:
    """A chapter of the side bar."""
    listed = "\n".join(page.with_suffix("").as_posix() for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {name}\n\n{listed}\n```\n"


def stage(folder: Path, address: str | None, solutions: bool = True) -> dict[str, list[Path]]:
    """Write the sources, README's as the course's first page; what there is a page of."""
    found = chapters(solutions)
    paths = [Path("README.md"), *(path for listed in found.values() for path in listed)]
    for path in paths:
        if path.suffix == ".ipynb":
            write_whole(folder / path, nbformat.writes(notebook(path, set(paths), address)))
            continue
        source = ASIDE.sub("", (ROOT / path).read_text("utf-8"))
        source = links.relink(source, path, set(paths), address)
        if path == Path("README.md"):
            path, source = links.COURSE, source + "".join(tree(*chapter) for chapter in found.items())
        write_whole(folder / path, source)
    shutil.copytree(ROOT / "results" / "pictures", folder / "results" / "pictures")
    return found
