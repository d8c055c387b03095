"""Check the form and the types of code, notebooks, JavaScript and workflows.

    python course.py lint [--fix]     --fix mends what ruff can mend

Where a checker isn't to be had (tsc needs npx, workflows need actionlint), it says so and goes on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONT = "latentlab_helpers/explore/front"


def checks(fix: bool) -> dict[str, list[str]]:
    """By what it looks at, the command that looks."""
    ruff = [sys.executable, "-m", "ruff"]
    return {
        "code and notebooks": [*ruff, "check", *["--fix"] * fix],
        "their form": [*ruff, "format", *["--check"] * (not fix)],
        "types": [sys.executable, "-m", "mypy"],
        "JavaScript": ["npx", "--yes", "--package", "typescript", "tsc", "--project", FRONT],
        "workflows": ["actionlint"],
    }


def main() -> int:
    failed = []
    for name, command in checks("--fix" in sys.argv[1:]).items():
        print(f"{name}: {Path(command[0]).stem} …", flush=True)
        if not (program := shutil.which(command[0])):  # on Windows npx is a script of another suffix
            print(f"  left out, for there is no {command[0]} here")
        elif subprocess.run([program, *command[1:]], cwd=ROOT).returncode:
            failed.append(name)
    print(f"to mend: {', '.join(failed)}" if failed else "nothing to mend")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
