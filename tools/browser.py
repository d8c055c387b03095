"""A real browser, and Jupyter in it: what the browser tests and the bench stand on."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

NAMES = (
    "chromium-headless-shell",  # the same engine without a browser's own windows, which take time
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"),
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
SUPERUSER = hasattr(os, "geteuid") and os.geteuid() == 0
ARGUMENTS = [
    *(["--no-sandbox"] if SUPERUSER else []),  # a container's root can't have one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NOTEBOOK = "window.jupyterapp.shell.currentWidget"


def executable() -> str | None:
    """A Chromium, Chrome or Edge: LATENTLAB_BROWSER, or one in a usual place; None if there is none."""
    if chosen := os.environ.get("LATENTLAB_BROWSER"):
        return chosen
    return next(filter(None, map(shutil.which, NAMES)), None) or next(filter(os.path.exists, PLACES), None)


# What has expose_app_in_browser, and where a notebook is
JUPYTER = {"lab": ("LabApp", "doc/tree"), "notebook": ("JupyterNotebookApp", "notebooks")}


@contextlib.contextmanager
def jupyter(folder: Path, application: str = "lab", **environment: str) -> Iterator[str]:
    """A Jupyter server for a folder, with settings of its own; gives the address that opens NOTEBOOK: `{}`.

    application: "lab", "notebook" or "voila" (which must be installed). Raises RuntimeError, with
    Jupyter's log, if it doesn't start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    if application == "voila":
        line = ["voila", "--Voila.ip=127.0.0.1", f"--port={port}", f"--token={token}", str(folder)]
        status, path = "", "voila/render"
    else:
        name, path = JUPYTER[application]
        line = ["jupyter", application, f"--{name}.expose_app_in_browser=True"]
        line += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        line += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
        line += ["--allow-root"] * SUPERUSER
        status = "api/status"
    with (
        tempfile.TemporaryDirectory(prefix="jupyter-", ignore_cleanup_errors=True) as own,
        tempfile.TemporaryFile() as log,
    ):
        kinds = ("CONFIG", "DATA", "RUNTIME")
        settings = {f"JUPYTER_{kind}_DIR": str(Path(own) / kind.lower()) for kind in kinds}
        server = subprocess.Popen(
            [sys.executable, "-m", *line, "--no-browser"],
            env={**os.environ, **settings, **environment},
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        base = f"http://127.0.0.1:{port}"
        try:
            while not _answers(f"{base}/{status}?token={token}"):
                try:
                    server.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
                log.seek(0)
                raise RuntimeError("Jupyter did not start:\n" + log.read().decode("utf-8", "replace"))
            yield f"{base}/{path}/{{}}?token={token}"
        finally:
            server.terminate()
            server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def open_notebook(page, address: str) -> None:
    """Open a notebook and wait for its kernel."""
    page.goto(address)
    page.wait_for_function(
        f"window.jupyterapp && {NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )


def lose_kernel(page) -> None:
    """Have the open notebook ask, from its next save on, for a kernel that isn't there."""
    page.evaluate(
        f"""() => {{
          const {{ model }} = {NOTEBOOK}.context, name = "elsewhere";
          model.setMetadata("kernelspec", {{ name, display_name: name, language: name }});
          model.setMetadata("language_info", {{ name }});
        }}"""
    )


def open_without_kernel(page, address: str) -> None:
    """Open a notebook that has lost its kernel, and choose none."""
    page.goto(address)
    dialog = page.locator(".jp-Dialog", has_text="Select Kernel")
    dialog.get_by_role("combobox").select_option(label="No Kernel")
    dialog.locator(".jp-mod-accept").click()


def run_all(page) -> None:
    """Run all cells, and wait until the last one is done; an error in one raises RuntimeError."""
    page.evaluate(
        "window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ranAll = true })"
    )
    page.wait_for_function("window.ranAll", timeout=300_000)
    outputs = page.evaluate(
        f"{NOTEBOOK}.content.widgets.map(w => w.model).filter(m => m.type === 'code')"
        ".flatMap(m => m.outputs.toJSON())"
    )
    if wrong := [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]:
        raise RuntimeError(f"a cell says: {wrong[0].get('evalue') or wrong[0].get('text')}")
