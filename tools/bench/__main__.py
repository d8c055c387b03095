"""Measure how fast the course is on this machine, beside PyTorch's example and beside the limit.

    python course.py bench [PART …]     training, busy, throughput, start, kernels, growth, notebooks,
                                        explorer; all of them, unless some are named: about half an hour

What competes is measured in turns, so that a busy neighbour slows both; the numbers are medians, with the
lowest and the highest beside them. They go to results/bench.json, and from there into docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from pathlib import Path

import torch

from latentlab_helpers import devices
from latentlab_helpers.files import write_whole
from tools.bench import report
from tools.bench.measures import MEASURE, ROOT
from tools.quote import quote

RESULTS, PAGE = ROOT / "results" / "bench.json", ROOT / "docs" / "speed.md"


def machine() -> dict:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "bfloat16": devices.has_bfloat16(),
    }


def processor() -> str:
    """The processor's name as Linux has it, or what Python knows."""
    told = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", told.read_text() if told.is_file() else "", re.M)
    return found[1].strip() if found else platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(prog="course.py bench", description="Measure how fast the course is.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(MEASURE)}; all, unless named")
    chosen = parser.parse_args().parts or list(MEASURE)
    if unknown := [name for name in chosen if name not in MEASURE]:
        parser.error(f"there is no part {', '.join(unknown)}; bench has: {', '.join(MEASURE)}")
    os.environ["LATENTLAB_DEVICE"] = "cpu"  # also of all processes to come: the limit is the processor's
    here = machine()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    if results.get("machine") != here:
        results = {"machine": here}  # numbers of two machines don't mix
    for name in chosen:
        print(f"{name} …", flush=True)
        if measured := MEASURE[name]():  # or it couldn't, and has said why
            results[name] = measured
            written = json.dumps(results, indent=1)
            write_whole(RESULTS, written + "\n")
            results = json.loads(written)  # whose keys are texts, as a later run will read them
    tables = {"bench": report.table, "explorer": report.explorer_table}
    for name in tables if "explorer" in results else ["bench"]:
        quote(PAGE, name, text := tables[name](results))
        print(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
