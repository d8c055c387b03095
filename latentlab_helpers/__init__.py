"""The thin module that the LatentLab notebooks sit on.

Importing it is light: a submodule, and torch with it, loads when it is first used.
"""

import importlib
import os

# Two OpenMP threads that spin while they wait for each other bring a busy machine to a crawl;
# sleeping threads don't. OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = ["checkpoints", "datasets", "explore", "latent", "losses", "metrics", "models", "plots", "training"]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
