"""How notebooks are tested: nbval, strict, with some additions for what it can't see.

nbval compares text and HTML exactly, once `tests/notebooks/sanitize.cfg` has blanked what varies from machine
to machine. Pictures it skips, so they are compared here; it doesn't follow updates of an output, so that is
done here, too; widgets without a kernel mean nothing, so they are left out on both sides, as in the build.
Numbers of a model that the run itself has trained (in cells with the tag "live-numbers") may be as far from
the saved ones as the cell's metadata say, as "live": "text" is a share of each number, "absolute" (if given)
comes on top. And what the text claims of a cell's numbers is asserted behind the cell, in the notebook's own
kernel, by a file of the notebook's name in `tests/notebooks/checks`.
"""

import functools
import os
import re
from pathlib import Path

# Workers share the cores: with two threads each, on two cores, they would mostly wait for each other.
# This comes before anything loads torch, and reaches the kernels, which inherit it.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

import pytest  # noqa: E402
from nbformat import from_dict  # noqa: E402
from nbval.plugin import IPyNbCell  # noqa: E402

from tools import figures  # noqa: E402
from tools.outputs import largest_difference, lasting, pictures, same_artist, same_numbers  # noqa: E402

# Drawn by the same matplotlib, a figure of shipped weights differs by rounding: no pixel by this much.
EXACT = 0.25

# For each notebook, code to run behind its cells: blocks that begin with "# %% " and a cell's id
CHECKS = Path(os.environ.get("LATENTLAB_CHECKS", Path(__file__).parent / "tests" / "notebooks" / "checks"))

strict, run_cell = IPyNbCell.compare_outputs, IPyNbCell.runtest


@functools.cache
def checks_of(notebook: str) -> dict[str, str]:
    """The code that belongs behind a notebook's cells, by their ids."""
    path = CHECKS / f"{notebook}.py"
    blocks = re.split(r"^# %% (.+)\n", path.read_text("utf-8") if path.is_file() else "", flags=re.M)
    return dict(zip(blocks[1::2], blocks[2::2], strict=True))


def following(cell):
    """nbval's way to get a kernel's messages, with updates of displayed outputs put where they belong."""
    receive, places = cell.parent.get_kernel_message, {}

    def get(**options):
        while True:
            message = receive(**options)
            content = message["content"]
            name = content.get("transient", {}).get("display_id")
            if message["msg_type"] != "update_display_data":
                if name:
                    places[name] = len(cell.test_outputs)
                return message
            if name in places:
                cell.test_outputs[places[name]].update(
                    from_dict({key: content[key] for key in ("data", "metadata")})
                )

    return get


def runtest(cell):
    cell.parent.get_kernel_message = following(cell)
    try:
        run_cell(cell)
    finally:
        del cell.parent.get_kernel_message
    if code := checks_of(cell.path.stem).get(cell.cell.id):
        asked = cell.parent.kernel.execute_cell_input(code, allow_stdin=False)
        cell.parent.kernel.await_reply(asked, timeout=cell.config.option.nbval_cell_timeout)
        while True:
            message = cell.parent.get_kernel_message(timeout=cell.output_timeout)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["content"].get("execution_state") == "idle":
                break
            if message["msg_type"] == "error":
                trace = "\n".join(message["content"]["traceback"])
                cell.raise_cell_error(
                    f"what the text says isn't so ({CHECKS.name}/{cell.path.stem}.py)", trace
                )


def compare_outputs(cell, test, reference, skip_compare=None):
    test, reference = lasting(test), lasting(reference)
    if "live-numbers" in cell.cell.metadata.get("tags", []):
        live = cell.cell.metadata["live"]
        for new, old in zip(test, reference, strict=False):
            texts = (cell.sanitize(output.get("text", "")) for output in (old, new))  # without wall times
            if "text" in new and same_numbers(*texts, live["text"], live.get("absolute", 0.0)):
                new["text"] = old.get("text", "")
    if not strict(cell, test, reference, skip_compare):
        return False
    metadata, pairs = cell.cell.metadata, list(zip(pictures(test), pictures(reference), strict=True))
    if figures.LIVE in metadata.get("tags", []):
        allowed = {**figures.ALLOWED, **metadata.get("live", {})}
    else:  # another version of matplotlib draws the same numbers with other pixels
        allowed = {} if all(same_artist(*pair) for pair in pairs) else figures.SHIPPED
    wrong = None
    if allowed:
        wrong = figures.disagreement(figures.of_outputs(reference), figures.of_outputs(test), allowed)
    elif (far := max((largest_difference(*pair) for pair in pairs), default=0)) > EXACT:
        wrong = f"a pixel differs by {far:.2f} (allowed: {EXACT})"
    if wrong:
        cell.comparison_traceback.append(f"the figure isn't the saved one: {wrong}")
    return not wrong


def pytest_configure(config):
    IPyNbCell.compare_outputs, IPyNbCell.runtest = compare_outputs, runtest
    os.environ["PYTHONSTARTUP"] = str(figures.STARTUP)  # the kernels send what figures show, beside them
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "notebooks" / "sanitize.cfg")


@pytest.hookimpl(trylast=True)  # after pytest has brought tests with the same fixtures together
def pytest_collection_modifyitems(items):
    """Bring the tests into the order in which their files are handed out.

    Files that use Playwright come last: its event loop, once started, stays in a process's main thread, where
    nbval's can't run beside it. Before and among them the long files come first, so that no worker is left
    alone with one at the end: notebooks by size, then what needs JupyterLab.
    """
    used: dict[Path, set[str]] = {}
    for item in items:
        used.setdefault(item.path, set()).update(getattr(item, "fixturenames", ()))

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        fixtures = used[item.path]
        size = item.path.stat().st_size if item.path.suffix == ".ipynb" else 0
        return "playwright" in fixtures, "jupyter_lab" not in fixtures, -size

    items.sort(key=place)
