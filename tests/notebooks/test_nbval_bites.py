"""The test of the tests: a small notebook under the course's own configuration, changed in the ways that
must turn the tests red. Each change stands in a notebook of its own, and one is left as it is."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tools import build

ROOT = Path(__file__).resolve().parents[2]

CELLS = {
    "helper": (
        "import torch\nfrom latentlab_helpers import losses, plots\n"
        "kl = losses.kl_divergence(torch.tensor([[1.0, 2.0]]), torch.zeros(1, 2)).item()\n"
        "print(f'KL = {kl:.3f} nats')"
    ),
    "claim": "import time\nprint(f'after {time.time() % 100:.2f} s: twice the KL: {2 * kl:.3f}')",
    "slider": (
        "from ipywidgets import FloatSlider, interactive_output\n"
        "slider, seen = FloatSlider(min=0, max=2), []\n"
        "def draw(change):\n    seen.append(change['new'])\n"
        "slider.observe(draw, 'value')\n"
        "other = FloatSlider(min=0, max=2)\n"
        "def show(value):\n    seen.append(value)\n"
        "interactive_output(show, {'value': other});"
    ),
    "slide": "slider.value, other.value = 1, 2\nassert seen == [0, 1, 2]",
    "figure": "plots.loss_curves({'loss': [9, 4, 2, 1, 1, 1]}, 'nats', 'A falling line.')",
    "live": "plots.loss_curves({'a': [9, 4, 2, 1, 1, 1], 'b': [8, 4, 3, 2, 2, 2]}, 'nats', 'Two lines.')",
    "table": "from IPython.display import HTML\nHTML(f'<b>{kl:.3f}</b>')",
}
ORDER = list(CELLS)

# What is changed, in a cell's source or in the text of its saved output, and which cells must fail for it.
SOURCE, OUTPUT, STRIP, REDRAW = "source", "output", "strip", "redraw"
CHANGES = {
    "nothing": ([], []),
    "saved_outputs": (
        [
            (OUTPUT, "KL = 2.500", "KL = 2.400"),
            (OUTPUT, "twice the KL: 5.000", "twice the KL: 5.060"),
            (OUTPUT, "<b>2.500", "<b>2.600"),
        ],
        ["helper", "claim", "table"],
    ),
    "false_claim_raising_callback_reversed_curves": (
        [
            (SOURCE, "2 * kl:", "2 * (kl := kl - 0.01):"),
            (SOURCE, "seen.append(change['new'])", "raise ValueError"),
            (SOURCE, "{'loss': [9, 4, 2, 1, 1, 1]", "{'loss': [1, 1, 1, 2, 4, 9]"),
            (SOURCE, "'a': [9, 4, 2, 1, 1, 1]", "'a': [1, 1, 1, 2, 4, 9]"),
        ],
        ["claim", "slide", "figure", "live", "table"],
    ),
    "false_report_dead_callback_renamed_curves": (
        [
            (SOURCE, "twice the KL", "half the KL"),
            (SOURCE, "slider.observe(draw, 'value')", "pass"),
            (SOURCE, "{'loss':", "{'less':"),
            (SOURCE, "'b': [", "'c': ["),
        ],
        ["claim", "slide", "figure", "live"],
    ),
    "raising_interactive_output_and_swapped_curves": (
        [
            (SOURCE, "seen.append(value)", "raise ValueError"),
            (SOURCE, "{'a': ", "{'b': "),
            (SOURCE, ", 'b': ", ", 'a': "),
        ],
        ["slider", "slide", "live"],
    ),
    "what_another_machine_trains_and_another_matplotlib_draws": (
        [(REDRAW, "", ""), (SOURCE, "'b': [8, 4, 3,", "'b': [8, 4.1, 3,"), (SOURCE, "2 * kl", "2.01 * kl")],
        [],
    ),
    "other_curves_by_another_matplotlib": (
        [(REDRAW, "", ""), (SOURCE, "{'loss': [9, 4, 2,", "{'loss': [9, 4, 3,")],
        ["figure"],
    ),
    "unsaved_outputs": ([(STRIP, "", "")], ["helper", "claim", "figure", "live", "table"]),
}


@pytest.fixture(scope="module")
def fixture_notebook(tmp_path_factory):
    """Built by the course's own build, like its notebooks."""
    path = tmp_path_factory.mktemp("fixture") / "fixture.ipynb"
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in CELLS.items()]
    notebook.cells[ORDER.index("live")].metadata["tags"] = ["live-figure"]
    notebook.cells[ORDER.index("claim")].metadata |= {"tags": ["live-numbers"], "live": {"text": 0.01}}
    nbformat.write(notebook, path)
    build.build(path)
    return path


def redrawn(picture):
    """As another version of matplotlib might draw it: a little smaller, and signed by that version."""
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    buffer, drawn_by = io.BytesIO(), PngInfo()
    drawn_by.add_text("Software", "Matplotlib 2.0")
    image.resize((image.width - 2, image.height - 1)).save(buffer, "png", pnginfo=drawn_by)
    return base64.b64encode(buffer.getvalue()).decode()


def changed(path, changes):
    notebook = nbformat.read(path, as_version=4)
    for where, old, new in changes:
        if where == REDRAW:
            for output in (output for cell in notebook.cells for output in cell.outputs):
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = redrawn(output.data["image/png"])
            continue
        if where == OUTPUT:
            text = nbformat.writes(notebook)
            assert old in text
            notebook = nbformat.reads(text.replace(old, new), as_version=4)
            continue
        assert where == STRIP or any(old in cell.source for cell in notebook.cells)
        for cell in notebook.cells:
            cell.outputs = [] if where == STRIP else cell.outputs
            cell.source = cell.source.replace(old, new) if where == SOURCE else cell.source
    return notebook


# What the course itself asserts, in the notebook's kernel, behind the cell
CHECK = "# %% claim\nassert kl == 2.5\n"


def failures(folder, notebooks):
    """For each notebook the numbers of the cells that fail, under the course's configuration."""
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "conftest"]
    command += ["--rootdir", folder, "-p", "no:cacheprovider", "--color=no", *notebooks]
    # The kernels import the helper that is installed, or the one in their own folder.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["LATENTLAB_CHECKS"] = str(folder / "checks")
    (folder / "checks").mkdir(exist_ok=True)
    for path in notebooks:
        (folder / "checks" / f"{path.stem}.py").write_text(CHECK, "utf-8")
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    assert re.search(r"\d+ (passed|failed)", done.stdout), done.stdout + done.stderr
    assert done.returncode == bool(re.search(r"\d+ failed", done.stdout))
    found = {path.stem: [] for path in notebooks}
    for name, cell in re.findall(r"^FAILED \S*?(\w+)\.ipynb::Cell (\d+)", done.stdout, re.M):
        found[name].append(ORDER[int(cell)])
    return found, done.stdout


def test_each_change_turns_the_tests_red_and_no_change_leaves_them_green(fixture_notebook, tmp_path):
    for name, (changes, _) in CHANGES.items():
        nbformat.write(changed(fixture_notebook, changes), tmp_path / f"{name}.ipynb")
    found, output = failures(tmp_path, [tmp_path / f"{name}.ipynb" for name in CHANGES])
    assert found == {name: expected for name, (_, expected) in CHANGES.items()}, output


def test_a_broken_helper_turns_the_tests_red(fixture_notebook, tmp_path):
    """The notebook's folder comes first on its path: a copy of the helper there, with one digit changed."""
    shutil.copytree(ROOT / "latentlab_helpers", tmp_path / "latentlab_helpers")
    shutil.copy(fixture_notebook, tmp_path / "broken_helper.ipynb")
    found, output = failures(tmp_path, [tmp_path / "broken_helper.ipynb"])
    assert found == {"broken_helper": []}, output
    losses = tmp_path / "latentlab_helpers" / "losses.py"
    source = losses.read_text("utf-8")
    assert source.count("return 0.5 * (mu.square()") == 1
    losses.write_text(source.replace("return 0.5 * (mu.square()", "return 0.6 * (mu.square()"), "utf-8")
    os.utime(losses, (1, 1))  # so that no compiled file of the same second stands in for it
    found, output = failures(tmp_path, [tmp_path / "broken_helper.ipynb"])
    assert found["broken_helper"][:2] == ["helper", "claim"], output
