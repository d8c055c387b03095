#!/usr/bin/env python3
"""The one door to the course. It needs nothing but Python 3.10 or newer.

    python course.py lab       opens the course in JupyterLab (--no-browser prints the address)
    python course.py test      runs all tests (--lowest: with the oldest versions that it admits)
    python course.py lint      checks form and types of code, notebooks and workflows
    python course.py build     runs every notebook in a clean kernel and saves its outputs
    python course.py weights   trains the shipped models again
    python course.py claims    puts the ten claims to the test, in an hour or two
    python course.py page      writes the page of instruments, which needs no Python (--measure: times it)
    python course.py exercises cuts the students' exercises out of the solved ones
    python course.py slides    writes each lesson, and the talk, as a deck of slides
    python course.py site      writes the course as a web site, from the saved outputs
    python course.py grading   makes a folder in which nbgrader hands them out and grades them
    python course.py pictures  records the page for the README, and draws its thumbnails
    python course.py bench     measures how fast the course is on this machine
    python course.py home URL  writes the project's address wherever one belongs

And what measures, for a lesson or a page of the docs:

    python course.py attributes  the digits of the attribute board
    python course.py compress    how small a file bits-back coding makes of the test digits
    python course.py conditional what lesson 07 compares: a VAE that is told the class
    python course.py gan         what lesson 08 compares: GANs, and a VAE
    python course.py harder      what lesson 09 compares: clothes, shapes in colour, CIFAR-10
    python course.py hosts       the instruments in JupyterLab, Notebook and Voilà
    python course.py ladder      log p(x) of VAEs with codes on several levels
    python course.py likelihood  log p(x) of a VAE, as the literature measures it
    python course.py objectives  what lesson 06 compares
    python course.py prior       what lesson 10 compares
    python course.py subset      cuts the shipped part of Fashion-MNIST
    python course.py teaching    what a class needs

The first call makes an environment beside this file and installs everything into it; what follows
the command goes on to the tool that does the work. LATENTLAB_ENV names another folder for it.
"""

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyPI's Linux build brings 6 GB of CUDA along
STAMP, MAGIC = "latentlab.txt", "LatentLab's environment: "


def state():
    """The folder for what the course makes: in the checkout, or the user's own if that is read-only."""
    if os.access(ROOT, os.W_OK):
        return ROOT
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    folder = Path(os.path.expanduser(base)) / ("latentlab-" + name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / ("latentlab-" + name)
        folder.mkdir(exist_ok=True, mode=0o700)
        found = folder.lstat()  # what runs from there must be nobody else's, and the name can be guessed
        if os.name == "posix" and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700):
            sys.exit(f"{folder} belongs to somebody else: name a folder of your own in LATENTLAB_ENV")
    return folder


def environment(lowest=False):
    """The environment's Python, installed first if anything changed since the last time."""
    name = ".latentlab-lowest" if lowest else ".latentlab"
    # What the environment was made by and for; what it was asked to hold (not how our tools are set).
    made = f"{MAGIC}{sys.version.split()[0]} {sys.base_prefix} {ROOT}"
    project = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.")[0]
    wanted = made + "\n" + hashlib.sha256(project.encode()).hexdigest()

    chosen = os.environ.get("LATENTLAB_ENV")
    if chosen:
        folders = [Path(os.path.expanduser(chosen + "-lowest" * lowest)).resolve()]
    else:
        folders = [ROOT / name, state() / name]
    for folder in folders:
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if python.exists() and stamp_of(folder) == wanted:
            return python
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(Path(str(folder) + ".lock"))
    except OSError as error:
        sys.exit(f"can't set up the environment ({error}): name a folder for it in LATENTLAB_ENV")
    try:
        if not python.exists() or stamp_of(folder) != wanted:
            # Unless the last set-up was finished, pip can't be trusted to mend what it left.
            fresh = not python.exists() or not (stamp_of(folder) or "").startswith(made + "\n")
            if chosen and stamp_of(folder) is None and any(folder.iterdir()):
                sys.exit(f"{folder} holds something else: empty it, or name another folder in LATENTLAB_ENV")
            (folder / STAMP).write_text(MAGIC + "not finished", "utf-8")
            install(folder, python, fresh, lowest)
            (folder / STAMP).write_text(wanted, "utf-8")
    finally:
        lock.close()
    return python


def stamp_of(folder):
    """What an environment says of itself; None for a folder that is no environment of the course's."""
    stamp = folder / STAMP
    text = stamp.read_text("utf-8", "replace") if stamp.is_file() else ""
    return text if text.startswith(MAGIC) else None


def locked(path):
    """A lock that one set-up holds at a time. SQLite's goes with its process, however that ends."""
    told = False
    while True:
        try:
            lock = sqlite3.connect(str(path), timeout=0, isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
            return lock
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise OSError(str(error)) from error
        if not told:
            print("Another set-up is running; waiting for it.", flush=True)
            told = True
        time.sleep(0.2)


def install(folder, python, fresh, lowest=False):
    """Make the environment, anew or on top of what is there, and install the course into it."""
    print(f"Setting up the environment in {folder}; this takes a few minutes, once.", flush=True)
    if fresh:
        for item in folder.iterdir():
            if item.name != STAMP:  # which tells the next call, should this one be interrupted
                shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        run([sys.executable, "-m", "venv", str(folder)], "Debian and Ubuntu: apt install python3-venv")
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    small = sys.platform == "linux" and not shutil.which("nvidia-smi") and reachable(CPU_INDEX + "/torch/")
    if lowest:  # which pip can't choose
        run(pip + ["uv"], "is the network up?")
        oldest = [str(python), "-m", "uv", "pip", "install", "--python", str(python)]
        oldest += ["--resolution", "lowest-direct"] + ["--torch-backend", "cpu"] * small
        run(oldest + ["-e", f"{ROOT}[lab,test]"], "see the last lines above; is the network up?")
    else:
        if small and subprocess.run(pip + ["--index-url", CPU_INDEX, "torch", "torchvision"]).returncode:
            print("PyTorch's CPU build can't be had; taking the usual one.", flush=True)
        run(pip + ["-e", f"{ROOT}[lab,test,lint]"], "see the last lines above; is the network up?")
    check = "import torch, torchvision, latentlab_helpers"
    run([str(python), "-c", check], "what was installed doesn't fit together")


def reachable(url):
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except OSError:
        return False


def run(command, hint):
    if subprocess.run(command).returncode:
        sys.exit(f"\nThe set-up stopped ({hint}). What was done is kept or made again: just call it again.")


def working_copies():
    """The reader's own copies of the notebooks. One that is there already is never written to."""
    folder = state() / "my_notebooks"
    folder.mkdir(exist_ok=True)
    lessons = ROOT / "notebooks"  # and exercises and solutions in folders of it
    for original in sorted([*lessons.glob("*.ipynb"), *lessons.glob("[a-z]*/*.ipynb")]):
        copy = folder / original.relative_to(lessons)
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists():
            part = copy.with_suffix(".part")
            shutil.copyfile(original, part)
            os.replace(part, copy)
        elif copy.stat().st_mtime < original.stat().st_mtime and copy.read_bytes() != original.read_bytes():
            print(f"{original.name} has changed since; rename {copy} to get the new one.")
    page = ROOT / "latentlab.html"
    if page.exists():  # the notebooks link to it
        shutil.copyfile(page, folder / page.name)
    return folder


def main():
    if sys.version_info < (3, 10):
        sys.exit(f"The course needs Python 3.10 or newer; this is {sys.version.split()[0]}.")
    tools = {
        "attributes",
        "bench",
        "build",
        "claims",
        "compress",
        "conditional",
        "exercises",
        "gan",
        "grading",
        "harder",
        "home",
        "hosts",
        "ladder",
        "likelihood",
        "objectives",
        "page",
        "pictures",
        "prior",
        "site",
        "slides",
        "subset",
        "teaching",
        "weights",
    }
    if len(sys.argv) < 2 or sys.argv[1] not in tools | {"lab", "test", "lint"}:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    command, rest = sys.argv[1], sys.argv[2:]
    # What a reader has set for other projects stays out of this environment.
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        os.environ.pop(name, None)
    # How threads wait for each other; latentlab_helpers says why.
    if sys.platform == "linux" and "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "6000")
    lowest = command == "test" and "--lowest" in rest
    python = str(environment(lowest))
    if command == "lab":
        folder = working_copies()
        line = [python, "-m", "jupyter", "lab", "--LabApp.default_url=/lab/tree/01_autoencoder.ipynb"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            line.append("--allow-root")  # in a container; it listens on this machine only, with a token
        line += [f"--ServerApp.root_dir={folder}"] + rest
        cwd = folder
    elif command == "test":
        # Side by side, within the memory of four; a debugger, or output that is watched, wants one process.
        alone = {"-n", "-s", "--pdb", "--trace"} & {word[:2] if word[:2] == "-n" else word for word in rest}
        beside = [] if alone else ["-n", "logical", "--maxprocesses", "4"]
        line, cwd = [python, "-m", "pytest", *beside, *(word for word in rest if word != "--lowest")], ROOT
    else:
        line, cwd = [python, "-m", "tools." + command] + rest, ROOT
    hand_over(line, cwd)


def hand_over(line, cwd):
    """Become the tool, so that a signal or an exit code has nobody in between."""
    sys.stdout.flush()
    if os.name == "posix":
        os.chdir(cwd)
        os.execv(line[0], line)
    sys.exit(subprocess.run(line, cwd=str(cwd)).returncode)  # Windows has no exec that waits


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
