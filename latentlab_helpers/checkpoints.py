"""Trained weights in and out of safetensors files, with what made them in the header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import nn

from . import conditional, models  # noqa: F401  the first adds its class to the registry
from .files import shipped, write_whole

SUFFIX = ".safetensors"


def folder() -> Path:
    """Say where the weights that come with the course lie.

    Returns
    -------
    pathlib.Path
        In the repository, or in the installed package.
    """
    return shipped("data/checkpoints")


def names() -> list[str]:
    """List the weights that come with the course.

    Returns
    -------
    list of str
        The names under which `load` knows them, sorted.
    """
    return sorted(path.stem for path in folder().glob(f"*{SUFFIX}"))


def save(model: nn.Module, path: str | os.PathLike, **metadata: Any) -> Path:
    """Write a model's weights to a .safetensors file, whole or not at all.

    Parameters
    ----------
    model : torch.nn.Module
        One of the course's: the file's header holds what makes it again.
    path : str or os.PathLike
        The file, with or without its suffix. A bare name means the working directory, where `load` finds it.
    **metadata
        What else the header should say; JSON has to be able to.

    Returns
    -------
    pathlib.Path
        The file, with its suffix.

    Raises
    ------
    ValueError
        For a class of the reader's own, and for weights that aren't finite.

    Notes
    -----
    Weights are stored as float16, which halves the download. Measure a model after loading it back, if the
    numbers are to describe what is stored.
    """
    path = _with_suffix(path)
    kind = type(model).__name__
    if models.KINDS.get(kind) is not type(model):
        raise ValueError(
            f"{kind} is a class of your own, which load couldn't make again: keep its weights with "
            "torch.save(model.state_dict(), …)"
        )
    if "config" in metadata:
        raise ValueError("save writes the model's config itself: choose another name")
    header = json.dumps({"model": kind, "config": model.config, **metadata})
    weights = {name: value.detach().cpu().half() for name, value in model.state_dict().items()}
    if not all(value.isfinite().all() for value in weights.values()):
        raise ValueError(f"{path.name} was not written: the model's weights are not all finite in float16")
    # One entry, because safetensors writes several in a random order: same weights, same file.
    return write_whole(path, serialize(weights, {"latentlab": header}))


def metadata(name: str | os.PathLike) -> dict[str, Any]:
    """Read what made some weights, without loading them.

    Parameters
    ----------
    name : str or os.PathLike
        As for `load`.

    Returns
    -------
    dict
        Model and config; for the course's own also recipe, seed, versions, and what was measured on the test
        images.

    Raises
    ------
    ValueError
        If there is no such file, it is damaged, or `save` didn't write it.

    Notes
    -----
    The checks behind the lessons compare a training with it.
    """
    with _open(name) as file:
        return _header(file)


def load(name: str | os.PathLike, device: torch.device | str = "cpu") -> nn.Module:
    """Make a model with trained weights.

    Parameters
    ----------
    name : str or os.PathLike
        A file, with or without its suffix, or else one of `names()`.
    device : torch.device or str
        Where the model goes.

    Returns
    -------
    torch.nn.Module
        Its weights are float32, and it is in eval mode.

    Raises
    ------
    ValueError
        If there is no such file, it is damaged, `save` didn't write it, or its weights don't fit the model
        that its header states.

    Notes
    -----
    Most notebooks use it.
    """
    with _open(name) as file:
        header = _header(file)
        weights = {key: file.get_tensor(key) for key in file.keys()}  # copied into float32
    if header["model"] not in models.KINDS:
        raise ValueError(
            f"{name} holds the weights of a {header['model']!r}; the course has: {', '.join(models.KINDS)}"
        )
    try:
        model = models.KINDS[header["model"]](**header["config"])
        model.load_state_dict(weights)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name} doesn't fit the {header['model']} that its header states; save it again ({error})"
        ) from error
    return model.eval().to(device)


def _with_suffix(path: str | os.PathLike) -> Path:
    """The path, ending in .safetensors; other dots belong to the name ("beta0.5")."""
    text = os.fspath(path)
    return Path(text if text.endswith(SUFFIX) else text + SUFFIX)


def _open(name: str | os.PathLike) -> safe_open:
    """The file of that name: the reader's own, or else the course's."""
    own = _with_suffix(name)
    path = own if own.is_file() else folder() / own
    if not path.is_file():
        raise ValueError(
            f"there are no weights {str(name)!r}: neither a file {own.absolute()}, nor among the course's, "
            f"which are {', '.join(names())}"
        )
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or altered ({error}). The course's own come back with "
            f"'git checkout -- {path}', or by installing the course again; save yours again."
        ) from error


def _header(file: safe_open) -> dict[str, Any]:
    """What `save` wrote beside the weights."""
    try:
        header = json.loads((file.metadata() or {})["latentlab"])
        if isinstance(header["model"], str) and isinstance(header["config"], dict):
            return header
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError("these weights were not written by checkpoints.save: no header says what made them")
