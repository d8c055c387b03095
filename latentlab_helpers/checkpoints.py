"""Trained weights in and out of safetensors files, with what made them in the header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize

from . import models
from .files import shipped, write_whole


def folder() -> Path:
    """Where the shipped weights lie."""
    return shipped("data/checkpoints")


def names() -> list[str]:
    """The shipped weights that `load` knows by name."""
    return sorted(path.stem for path in folder().glob("*.safetensors"))


def save(model: models.Autoencoder, path: str | os.PathLike, **metadata: Any) -> Path:
    """Write a model's weights, as float16, and JSON-able metadata to a .safetensors file.

    The file appears whole or not at all. Half precision halves the download; measure a model after
    loading it back if the numbers are to describe what is stored.
    """
    path = _with_suffix(path)
    kind = type(model).__name__
    if models.KINDS.get(kind) is not type(model):
        raise ValueError(
            f"{kind} is a class of your own, which load couldn't make again: keep its weights with "
            "torch.save(model.state_dict(), …)"
        )
    if taken := {"model", "config"} & metadata.keys():
        raise ValueError(f"{', '.join(sorted(taken))} is written by save itself: choose another name")
    header = {"model": kind, "config": model.config, **metadata}
    weights = {name: value.detach().cpu().half() for name, value in model.state_dict().items()}
    if not all(value.isfinite().all() for value in weights.values()):
        raise ValueError(f"{path.name} was not written: the model's weights are not all finite in float16")
    # One entry, because safetensors writes several in a random order: same weights, same file.
    return write_whole(path, serialize(weights, {"latentlab": json.dumps(header)}))


def metadata(name: str | os.PathLike) -> dict[str, Any]:
    """What made these weights: model, config, recipe, seed, versions, and measured test numbers."""
    with _open(name) as file:
        return _header(file)


def load(name: str | os.PathLike, device: torch.device | str | None = None) -> models.Autoencoder:
    """The model with these weights, float32, in eval mode. `name`: one of `names()`, or a file's path.

    Raises ValueError for an unknown name (with those that exist) or a damaged file.
    """
    with _open(name) as file:
        header = _header(file)
        model = models.KINDS[header["model"]](**header["config"])
        model.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})
    return model.eval().to(device or "cpu")


def _with_suffix(path: str | os.PathLike) -> Path:
    """The path, ending in .safetensors; other dots belong to the name ("beta0.5")."""
    text = os.fspath(path)
    return Path(text if text.endswith(".safetensors") else text + ".safetensors")


def _header(file) -> dict[str, Any]:
    if "latentlab" not in (entries := file.metadata() or {}):
        raise ValueError("these weights were not written by checkpoints.save: no header says what made them")
    return json.loads(entries["latentlab"])


def _open(name: str | os.PathLike):
    path = _with_suffix(name)
    if path.name == os.fspath(name) + ".safetensors":  # a bare name: one of the course's
        path = folder() / path.name
    if not path.is_file():
        raise ValueError(f"there are no weights {str(name)!r}; the course has: {', '.join(names())}")
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or altered ({error}). Restore it with 'git checkout -- {path}', "
            "or train it again with 'python course.py weights'."
        ) from error
