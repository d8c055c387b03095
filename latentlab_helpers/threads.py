"""How PyTorch's threads wait for each other: spinning while the machine is theirs, sleeping while it isn't.

A step of training is some seventy parallel pieces of work, with moments of Python between them. A thread that
sleeps in such a moment is woken too late (nearly twice the time, on two cores); one that spins takes the core
from a busy neighbour and is itself waited for (several times the time). Which is better, only a clock can
tell. No number that is computed changes by it.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

FIRST, SETTLED = 0.05, 1.5  # seconds of steps before the first trial, and between two
TRIAL = 5  # steps
PAUSE = 1.0  # seconds: what takes longer was no step


@contextlib.contextmanager
def adaptive_waiting(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """While this lasts, let threads that wait spin or sleep, whichever makes the optimizer's steps faster.

    It acts on Linux, with GNU's OpenMP and several threads, on weights that are on the CPU. Everywhere else
    it does nothing, and afterwards all is as it was.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        After each of its steps, the clock is looked at.

    Notes
    -----
    `training.fit` and the loop of notebook 01 use it.
    """
    on_cpu = optimizer.param_groups[0]["params"][0].device.type == "cpu"
    if not (on_cpu and torch.get_num_threads() > 1 and _has_gnu_openmp()):
        yield
        return
    sleeping = Sleeping()
    handle = optimizer.register_step_post_hook(Pace(sleeping))
    try:
        yield
    finally:
        handle.remove()
        sleeping.set(False)


class Sleeping:
    """Whether idle threads sleep at once, or first spin, for as long as GOMP_SPINCOUNT says.

    GNU's OpenMP reads that number once, but hardly spins while a process has more OpenMP threads than the
    machine has cores (its manual, GOMP_SPINCOUNT). So a second team of threads, which does nothing, makes
    the first one sleep.
    """

    def __init__(self) -> None:
        self._release: threading.Event | None = None

    def __bool__(self) -> bool:
        return self._release is not None

    def set(self, sleep: bool) -> None:
        if sleep and self._release is None:
            self._release, ready = threading.Event(), threading.Event()
            self._thread = threading.Thread(target=_hold_a_team, args=(ready, self._release), daemon=True)
            self._thread.start()
            ready.wait()
        elif not sleep and self._release is not None:
            self._release.set()
            self._thread.join()  # its team ends with it
            self._release = None


def _hold_a_team(ready: threading.Event, release: threading.Event) -> None:
    try:
        torch.zeros(1_000_000).add_(1)  # large enough for all threads
    finally:
        ready.set()
    release.wait()


class Pace:
    """Called after every step: tries both ways of waiting now and then, and goes on with the faster."""

    def __init__(self, sleeping: Sleeping, clock: Callable[[], float] = time.perf_counter):
        self.sleeping, self._clock = sleeping, clock
        self._last, self._wait = clock(), FIRST
        self._usual: float | None = None  # seconds of a step before a trial, while one goes on
        self._seconds: list[float] = []

    def __call__(self, *_: object) -> None:
        now = self._clock()
        if now - self._last < PAUSE:
            self._seconds.append(now - self._last)
            self._look()
        self._last = now

    def _look(self) -> None:
        if self._usual is None:
            if len(self._seconds) >= TRIAL and sum(self._seconds) >= self._wait:
                self._usual = statistics.median(self._seconds[-TRIAL:])
                self._switch()
            return
        steps = self._seconds[1:]  # the first step after a switch tells nothing
        if steps and (len(steps) == TRIAL or steps[-1] > 3 * self._usual):
            if statistics.median(steps) > 0.95 * self._usual:
                self._switch()
            self._usual, self._wait, self._seconds = None, SETTLED, []

    def _switch(self) -> None:
        self.sleeping.set(not self.sleeping)
        self._seconds = []


def _has_gnu_openmp() -> bool:
    """Whether this process has loaded GNU's OpenMP, of all there are."""
    return sys.platform == "linux" and "libgomp" in Path("/proc/self/maps").read_text()
