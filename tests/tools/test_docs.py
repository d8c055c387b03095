"""README, ARCHITECTURE, CONTRIBUTING and docs/: short, linked, and true to what was measured and written."""

import ast
import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import pictures

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "data" / "README.md"])
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(path):
    text = path.read_text("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    for target in targets:
        if not target.startswith(("http", "#")):
            assert (path.parent / target.split("#")[0]).exists(), target


def test_the_readme_is_a_screen_and_a_half():
    assert len(README.splitlines()) <= 120
    assert "python course.py lab" in README and "python course.py test" in README


def test_the_readme_shows_every_lesson_with_a_thumbnail_and_its_minutes():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        (row,) = re.findall(rf"^\| (.+) \| \[.+\]\(notebooks/{path.name}\): .+\? \| \d+ \|$", README, re.M)
        source, alt = re.fullmatch(r'<img src="(.+)" width="160" alt="(.{20,})">', row).groups()
        assert source == f"results/pictures/{path.stem}.webp" and html.unescape(alt)


def test_thumbnails_are_of_the_notebooks_as_they_are():
    for name in pictures.THUMBNAILS:
        drawn = io.BytesIO(pictures.thumbnail(ROOT / "notebooks" / f"{name}.ipynb"))
        saved, fresh = (
            np.asarray(Image.open(source).convert("L"), float)
            for source in (pictures.FOLDER / f"{name}.webp", drawn)
        )
        # Another version of the encoder rounds differently; another figure is another picture.
        assert saved.shape == fresh.shape and abs(saved - fresh).mean() < 1, "python course.py pictures"


def test_the_recording_moves_and_is_small():
    assert pictures.RECORDING.stat().st_size < pictures.LIMIT
    with Image.open(pictures.RECORDING) as image:
        assert image.format == "WEBP" and image.n_frames > 50
        image.seek(0)
        first = image.convert("RGB").tobytes()
        image.seek(image.n_frames // 4)
        assert image.convert("RGB").tobytes() != first


def test_the_readme_states_each_claim_with_its_measured_verdict():
    ledger = json.loads((ROOT / "results" / "claims.json").read_text("utf-8"))["ledger"]
    stated = re.findall(r"^(\d+)\. \*\*(.+): (holds|holds partly|does not hold)\.\*\* \S", README, re.M)
    wanted = [(str(claim["number"]), claim["text"], claim["verdict"]) for claim in ledger]
    assert stated == wanted


# --- the drawing of the house ------------------------------------------------------------------------


def module_of(path: Path) -> str:
    """The top-level module or package that a file of the helper belongs to."""
    return path.relative_to(ROOT / "latentlab_helpers").parts[0].removesuffix(".py")


def arrows() -> set[tuple[str, str]]:
    """Which module imports which, anywhere in its files."""
    found = set()
    for path in (ROOT / "latentlab_helpers").rglob("*.py"):
        here, depth = module_of(path), len(path.relative_to(ROOT / "latentlab_helpers").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.level != depth:
                continue  # what a package imports from itself is its own affair
            names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            found |= {(here, name) for name in names if here != "__init__"}
    return found


def test_the_drawing_of_the_imports_is_the_codes_own():
    drawn = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    (graph,) = re.findall(r"```mermaid\n(.+?)```", drawn, re.S)
    shown = set()
    for sources, targets in re.findall(r"^\s*([\w &]+?) --> ([\w &]+)$", graph, re.M):
        shown |= {(a, b) for a in sources.split(" & ") for b in targets.split(" & ")}
    assert shown == arrows()


def test_every_module_is_told_of():
    drawn = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    modules = {module_of(path) for path in (ROOT / "latentlab_helpers").rglob("*.py")} - {"__init__"}
    assert modules == set(re.findall(r"\*\*(\w+)\*\*", drawn)) & modules
    for folder in ("notebooks", "latentlab_helpers", "data", "results", "docs", "tools", "tests"):
        assert f"`{folder}/`" in drawn and (ROOT / folder).is_dir()
