"""Run notebooks top to bottom, each in a clean kernel, and save their outputs into them.

    python course.py build [NOTEBOOK …]     all of notebooks/, unless some are named

The one way that outputs are made. A notebook is replaced only after all of it ran. What differs from
run to run without meaning anything (timing, widget state, the interpreter's version) is not saved.
The README's map of the course gets a thumbnail of each, and the minutes that it took.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from latentlab_helpers.files import write_whole
from tools import figures, pictures
from tools.outputs import lasting

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook, run top to bottom in a clean kernel."""
    notebook = nbformat.read(path, as_version=4)
    # The kernel of this very environment, whatever kernelspecs the user has; the notebook's own folder.
    client = NotebookClient(
        notebook, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute(env={**os.environ, "PYTHONSTARTUP": str(figures.STARTUP)})
    return notebook


def build(path: Path) -> None:
    notebook = execute(path)
    clean(notebook)
    nbformat.validate(notebook)
    write_whole(path, nbformat.writes(notebook) + "\n")


def clean(notebook: nbformat.NotebookNode) -> None:
    """Keep what a reader without a kernel sees, and nothing that changes from run to run."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        }
    )
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled", "jupyter", "outputId", "id"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = joined(lasting(cell.outputs))


def joined(outputs: list) -> list:
    """Consecutive pieces of one stream as one output: how they were cut depends on the timing."""
    result: list = []
    for output in outputs:
        previous = result[-1] if result else {}
        if output.output_type == previous.get("output_type") == "stream" and output.name == previous["name"]:
            previous["text"] += output.text
        else:
            result.append(output)
    return result


def note_minutes(name: str, seconds: float) -> None:
    """Write the minutes into the last column of the notebook's row in the README, if it has one."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    row = re.compile(rf"^(\|.*{re.escape(name)}.*\|)[^|]*\|$", re.M)
    write_whole(readme, row.sub(rf"\1 {max(1, round(seconds / 60))} |", text))


def main() -> int:
    paths = [Path(name).resolve() for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb"))
    if missing := [str(path) for path in paths if not path.is_file()]:
        names = ", ".join(sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
        print(f"there is no {', '.join(missing)}; the course has: {names}")
        return 2
    for path in paths:
        start = time.perf_counter()
        print(f"{path.name} …", end=" ", flush=True)
        try:
            build(path)
        except CellExecutionError as error:
            print(f"stopped; the file stays as it was.\n{error}")
            return 1
        seconds = time.perf_counter() - start
        print(f"{seconds:.0f} s")
        note_minutes(path.name, seconds)
    pictures.thumbnails()
    return 0


if __name__ == "__main__":
    sys.exit(main())
