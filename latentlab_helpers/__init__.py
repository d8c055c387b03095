"""The thin module that the LatentLab notebooks sit on.

Importing it is light: a submodule, and torch with it, loads when it is first used.
"""

import importlib
import os
import sys
from types import ModuleType

# GNU's OpenMP, which PyTorch brings on Linux, lets threads that wait spin for as long as they like: a busy
# machine slows to a crawl. Some microseconds are enough for steps of a few milliseconds (`threads` looks
# whether that pays). OpenMP reads this once, when torch is loaded.
if sys.platform == "linux" and "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "6000")

__all__ = [
    "adversarial",
    "attributes",
    "autoregressive",
    "check",
    "checkpoints",
    "coding",
    "conditional",
    "datasets",
    "devices",
    "distributed",
    "explore",
    "files",
    "latent",
    "likelihoods",
    "losses",
    "metrics",
    "models",
    "objectives",
    "plots",
    "priors",
    "results",
    "shapes",
    "threads",
    "training",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
