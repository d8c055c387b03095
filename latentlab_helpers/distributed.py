"""One training on several processes, each with its own GPU, or its share of a machine's cores.

Every process has the whole model and goes through the same loop. Of each batch it computes its own rows,
and before each step of the optimizer the gradients are added up. So the processes take the step that one
alone would take, and their weights stay equal. PyTorch's own collectives do the work between them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.overrides import TorchFunctionMode

from .devices import CPU, default_device

STEPS = 10  # between two looks whether somebody wants to stop: on a GPU each look makes the loop wait


@contextlib.contextmanager
def join() -> Iterator[World]:
    """Meet the other processes that torchrun has started, for the length of a `with` block.

    Yields
    ------
    World
        This process among the others. A script that Python itself has started is alone in its world.

    Raises
    ------
    ValueError
        If a machine has fewer GPUs than processes.

    References
    ----------
    https://docs.pytorch.org/docs/stable/elastic/run.html

    Notes
    -----
    docs/devices.md has a script that uses it.
    """
    device, size = default_device(), int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield World(device=device)
        return
    if device.type == "cuda":
        local, found = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if local >= found:
            raise ValueError(
                f"each process needs a GPU of its own, and this machine has {found}: start torchrun with "
                f"--nproc_per_node {found}, or set LATENTLAB_DEVICE=cpu"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    else:
        device = CPU  # no collectives for Apple's GPU
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True)
class World:
    """A process and how many there are; `training.fit` takes it. Alone, by default, it changes nothing.

    Attributes
    ----------
    rank : int
        The number of this process, from 0. Let process 0 write the files.
    size : int
        How many processes there are.
    device : torch.device
        Where this one computes.

    References
    ----------
    Goyal et al., "Accurate, Large Minibatch SGD", arXiv:1706.02677, sections 3 and 4.

    Notes
    -----
    `join` makes it.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    def begin(self, model: nn.Module, **settings: Any) -> None:
        """Give all processes the weights of the first, and see that they are about to do the same.

        Parameters
        ----------
        model : torch.nn.Module
            Changed in place.
        **settings
            What must be equal everywhere; one of them is `batch_size`.

        Raises
        ------
        ValueError
            For settings that differ, batches with fewer images than there are processes, or a model that is
            on another device.
        """
        if self.size == 1:
            return
        if settings["batch_size"] < self.size:
            raise ValueError(
                f"a batch of {settings['batch_size']} can't be shared by {self.size} processes: "
                f"make batch_size {self.size} or more"
            )
        if (found := next(model.parameters()).device) != self.device:
            raise ValueError(f"the model is on {found}, its process on {self.device}: model.to(world.device)")
        everywhere: list[Any] = [None] * self.size
        dist.all_gather_object(everywhere, settings)
        for rank, theirs in enumerate(everywhere):
            if theirs != everywhere[0]:
                raise ValueError(
                    "all processes must train alike, from the same images with the same settings: "
                    f"process 0 has {everywhere[0]}, process {rank} has {theirs}"
                )
        for weight in model.state_dict().values():
            dist.broadcast(weight, 0)

    def share(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """Let a loss see this process's rows of each batch, and weigh its terms by their share of it.

        The terms of all processes add up to those of the whole batch, if they are means over its images.

        Parameters
        ----------
        loss : callable
            As for `training.fit`. Noise that it draws from the generator, by torch.randn or torch.rand, is
            that of the whole batch: each process takes what belongs to its rows.

        Returns
        -------
        callable
            The same for all processes, with the whole batch as its argument.
        """
        if self.size == 1:
            return loss

        def part(model: nn.Module, x: torch.Tensor, generator: torch.Generator, *labels: torch.Tensor) -> Any:
            start, stop = (rank * len(x) // self.size for rank in (self.rank, self.rank + 1))
            # Without rows of its own it computes one that counts nothing: the generators stay in step.
            rows = slice(start, max(stop, start + 1))
            with _OwnRows(generator, rows, len(x)):
                terms = loss(model, x[rows], generator, *(y[rows] for y in labels))
            if not isinstance(terms, dict):
                return terms  # fit says what is wrong with that
            return {name: value * ((stop - start) / len(x)) for name, value in terms.items()}

        return part

    def total(self, terms: dict[str, float]) -> dict[str, float]:
        """Add up the terms of all processes.

        Parameters
        ----------
        terms : dict of str to float
            Of this process, with the names that all of them have.

        Returns
        -------
        dict of str to float
            The same numbers in every process.
        """
        if self.size == 1:
            return terms
        values = torch.tensor(list(terms.values()), dtype=torch.float64, device=self.device)
        dist.all_reduce(values)
        return dict(zip(terms, values.tolist(), strict=True))

    @contextlib.contextmanager
    def together(self, optimizer: torch.optim.Optimizer) -> Iterator[None]:
        """While this lasts, add up the gradients before each step, and let an interruption stop all at once.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            Of the weights that all processes have.

        Raises
        ------
        KeyboardInterrupt
            In all processes, after the same step, some steps after one of them was interrupted.
        """
        if self.size == 1:
            yield
            return
        asked: list[bool] = []
        steps = itertools.count(1)

        def stop_if_asked() -> None:
            processes = torch.tensor(len(asked), device=self.device)
            dist.all_reduce(processes)
            if processes:
                raise KeyboardInterrupt

        def add_up(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message, and not many
            dist.all_reduce(flat)
            for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(total.view_as(gradient))
            if next(steps) % STEPS == 0:
                stop_if_asked()

        # One that stopped in the middle of a step would leave the others waiting for its gradients.
        usual = signal.signal(signal.SIGINT, lambda *_: asked.append(True))
        handle = optimizer.register_step_pre_hook(add_up)
        try:
            yield
            stop_if_asked()
        finally:
            handle.remove()
            signal.signal(signal.SIGINT, usual)


class _OwnRows(TorchFunctionMode):
    """Draws a batch's noise whole, in every process alike, and keeps the rows that are this one's."""

    def __init__(self, generator: torch.Generator, rows: slice, batch: int) -> None:
        super().__init__()
        self.generator, self.rows, self.batch = generator, rows, batch

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("generator") is not self.generator:
            return function(*args, **kwargs)
        if function not in (torch.randn, torch.rand):
            raise ValueError(
                "on several processes a loss can draw from its generator with torch.randn and torch.rand, "
                f"which tell whose noise is whose; {function.__name__} doesn't"
            )
        size = list(kwargs.pop("size", args[0] if args and not isinstance(args[0], int) else args))
        own = self.rows.stop - self.rows.start
        if own not in size:
            return function(size, **kwargs)  # noise of no image, and so everybody's
        axis = size.index(own)
        size[axis] = self.batch
        return function(size, **kwargs).narrow(axis, self.rows.start, own)
