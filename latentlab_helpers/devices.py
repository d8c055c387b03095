"""Which device the course computes on, and with which precision."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any

import torch

CPU = torch.device("cpu")


def default_device() -> torch.device:
    """Choose the device that the course uses: CUDA, then Apple's MPS, then the CPU.

    Returns
    -------
    torch.device
        The environment variable `LATENTLAB_DEVICE` (`cpu`, `cuda:1`, …) overrides the choice.

    Raises
    ------
    ValueError
        If that names a device that this machine doesn't have.

    Notes
    -----
    All notebooks that train use it.
    """
    if name := os.environ.get("LATENTLAB_DEVICE"):
        try:
            torch.empty(0, device=name)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"LATENTLAB_DEVICE is {name!r}, which this machine doesn't have ({error}); "
                "unset it, or use 'cpu'"
            ) from error
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Compute matrix products and convolutions with bfloat16, where the processor has instructions for it.

    Weights, gradients and Adam's averages stay float32; a model's outputs should go into its loss as float32,
    too (`.float()`).

    Parameters
    ----------
    device : torch.device
        Where the model is.

    Returns
    -------
    context manager
        On processors without bfloat16 it does nothing.

    Notes
    -----
    Introduced in notebook 01.
    """
    return torch.autocast(device.type, torch.bfloat16) if has_bfloat16(device) else contextlib.nullcontext()


@functools.cache
def has_bfloat16(device: torch.device = CPU) -> bool:
    """Tell whether a device has instructions for bfloat16, and PyTorch may use them.

    Parameters
    ----------
    device : torch.device
        A CPU has them with AVX512-BF16, one of NVIDIA's GPUs since Ampere; others are taken to have none.

    Returns
    -------
    bool
        Whether `mixed_precision` does anything.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    wide = device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    features: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions don't tell
    return wide and bool(features.get("avx512_bf16"))
