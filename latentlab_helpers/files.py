"""Where the course's files lie, and the one way in which a file is written: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(part: str) -> Path:
    """Find a file or folder that comes with the course, in the installed package or in the repository.

    Parameters
    ----------
    part : str
        Its path in the repository, such as ``"data/checkpoints"`` or ``"results/claims.json"``.

    Returns
    -------
    pathlib.Path
        Where it lies, whether it exists or not.
    """
    inside = PACKAGE / "_shipped" / part
    return inside if inside.exists() else PACKAGE.parent / part


def write_whole(path: str | os.PathLike, content: str | bytes) -> Path:
    r"""Write a file whole or not at all, with ``\n`` line ends; what was there stays until the end.

    Parameters
    ----------
    path : str or os.PathLike
        The file; its folder is made if there is none.
    content : str or bytes
        Text is written as UTF-8.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    OSError
        If it can't be written; what was there is there still, and nothing else.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer, in the same folder: os.replace is atomic only within a file system.
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        os.chmod(part, 0o644)  # a temporary file is its owner's alone
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    return path
