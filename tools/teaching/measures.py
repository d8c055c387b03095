"""What a lesson asks of a reader, and of the machine under it."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from datetime import datetime
from pathlib import Path

import nbformat
import psutil

from tools import browser, build

QUIET = 0.25  # of a core: what others may use before a run counts as disturbed
# Runs behind a lesson, in its kernel. On Linux ru_maxrss would begin with what the kernel's parent had.
LAST = """import json as _json, pathlib as _pathlib, psutil as _psutil, re as _re, time as _time
_status, _memory = _pathlib.Path("/proc/self/status"), _psutil.Process().memory_full_info()
if _status.is_file():
    _peak = 1024 * int(_re.search(r"VmHWM:\\s+(\\d+) kB", _status.read_text())[1])
else:
    import resource as _resource, sys as _sys
    _peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss * (1 if _sys.platform == "darwin" else 1024)
print(_json.dumps({"peak_mb": _peak / 1e6, "shared_mb": (_memory.rss - _memory.uss) / 1e6,
                   "cpu_seconds": _time.process_time()}))"""


def reading(notebook: nbformat.NotebookNode) -> dict:
    """What there is to read and to do; formulas, folded parts and sources don't count as words."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"<details>.*?</details>|\$\$.*?\$\$", "", prose, flags=re.S).partition("**Sources.**")[0]
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return {
        "words": len(re.findall(r"[A-Za-z][\w'’-]*", re.sub(r"\$.*?\$|`.*?`", "x", prose, flags=re.S))),
        "code_lines": sum(bool(line.strip()) for source in code for line in source.splitlines()),
        "figures": len(re.findall(r"^\*Figure \d+\.", prose, re.M)),
        "guesses": sum("my_guess = None" in source for source in code),
        "instruments": sum("explore." in source for source in code),
    }


def busy() -> float:
    """Seconds that the processors of this machine have worked since it was started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0)


def run(name: str, threads: int) -> dict:
    """One run of a lesson in a kernel with so many threads."""
    os.environ |= {"OMP_NUM_THREADS": str(threads), "LATENTLAB_DEVICE": "cpu"}
    notebook = nbformat.read(build.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    load, begun, own, start = os.getloadavg()[0], busy(), time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.ipynb"
        nbformat.write(notebook, path)
        done = build.execute(path)
    seconds, worked = time.perf_counter() - start, busy() - begun
    *cells, last = done.cells
    told = json.loads("".join(out.text for out in last.outputs if out.get("name") == "stdout"))
    others = max(0.0, worked - told["cpu_seconds"] - (time.process_time() - own)) / seconds
    timed = {cell.id: spent(cell) for cell in cells if cell.cell_type == "code"}
    slowest = dict(sorted(timed.items(), key=lambda item: -item[1])[:3])
    return {
        "seconds": seconds, **told, "slowest": slowest, "load_average_before": load,
        "cores_used_by_others": others, "quiet": others < QUIET,
    }  # fmt: skip


def spent(cell: nbformat.NotebookNode) -> float:
    stamps = (cell.metadata.execution[key] for key in ("iopub.status.busy", "shell.execute_reply"))
    begin, end = (datetime.fromisoformat(stamp.replace("Z", "+00:00")) for stamp in stamps)
    return (end - begin).total_seconds()


def server_mb() -> float:
    """Private memory of a JupyterLab server that nobody has opened yet."""
    with tempfile.TemporaryDirectory() as folder, browser.jupyter(Path(folder)):
        (server,) = (child for child in psutil.Process().children() if "jupyter" in " ".join(child.cmdline()))
        return server.memory_full_info().uss / 1e6
