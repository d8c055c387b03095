"""Which device the course computes on, and with which precision."""

from __future__ import annotations

import contextlib
import functools
import os

import torch


def default_device() -> torch.device:
    """The device that the course uses: CUDA, then Apple's MPS, then the CPU.

    The environment variable `LATENTLAB_DEVICE` (`cpu`, `cuda:1`, …) overrides the choice.
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


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """A context in which matrix products and convolutions compute with bfloat16, if the CPU can.

    Weights, gradients and Adam's averages stay float32; a model's outputs should go into its loss as float32,
    too (`.float()`). On CPUs without such instructions, and on other devices, it does nothing.
    """
    if device.type == "cpu" and has_bfloat16():
        return torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext()


@functools.cache
def has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16, and PyTorch may use them."""
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    features = getattr(torch.cpu, "get_capabilities", dict)()  # older versions don't tell
    return wide and bool(features.get("avx512_bf16"))
