"""The thin module that the LatentLab notebooks sit on.

Importing it is light: a submodule, and torch with it, loads when it is first used.
"""

import importlib
import os

# OpenMP threads that spin for as long as they like bring a busy machine to a crawl, and threads that sleep at
# once wake too late for steps of a few milliseconds. GNU's OpenMP can spin for some microseconds first (and
# `threads` looks whether that pays); the others sleep. OpenMP reads this once, when torch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "6000")

__all__ = [
    "attributes", "checkpoints", "datasets", "devices", "explore", "files", "latent",
    "losses", "metrics", "models", "plots", "results", "threads", "training",
]  # fmt: skip


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
