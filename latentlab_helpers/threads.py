"""How PyTorch's threads wait for each other: spinning while the machine is theirs, sleeping while it isn't.

A step of training is some seventy parallel pieces of work, with moments of Python between them. A thread that
sleeps in such a moment is woken too late (nearly twice the time, on two cores); one that spins takes the core
from a busy neighbour and is itself waited for (several times the time). Which is better, only a clock can
tell: so after every optimizer's step this module looks at one. No number that is computed changes by it.
"""

from __future__ import annotations

import statistics
import threading
import time

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

FIRST, SETTLED = 0.05, 1.5  # seconds of steps before the first trial, and between two
TRIAL = 5  # steps
PAUSE = 1.0  # seconds: what takes longer was no step


class Sleeping:
    """Whether idle threads sleep at once, or first spin, for as long as GOMP_SPINCOUNT says.

    GNU's OpenMP reads that number once, but hardly spins while a process has more OpenMP threads than the
    machine has cores (its manual, GOMP_SPINCOUNT). So a second team of threads, which does nothing, makes
    the first one sleep. Other OpenMP libraries take no notice.
    """

    def __init__(self):
        self._release: threading.Event | None = None

    def __bool__(self) -> bool:
        return self._release is not None

    def set(self, sleep: bool) -> None:
        if sleep == bool(self):
            return
        if sleep:
            self._release, ready = threading.Event(), threading.Event()
            self._thread = threading.Thread(target=_hold_a_team, args=(ready, self._release), daemon=True)
            self._thread.start()
            ready.wait()
        else:
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

    def __init__(self, sleeping: Sleeping, clock=time.perf_counter):
        self.sleeping, self._clock = sleeping, clock
        self._last, self._wait, self._usual, self._seconds = None, FIRST, None, []

    def __call__(self, optimizer: torch.optim.Optimizer, *_) -> None:
        if torch.get_num_threads() == 1 or optimizer.param_groups[0]["params"][0].device.type != "cpu":
            return
        now = self._clock()
        if self._last is not None and now - self._last < PAUSE:
            self._seconds.append(now - self._last)
            self._look()
        self._last = now

    def _look(self) -> None:
        if self._usual is None:  # not in a trial
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


register_optimizer_step_post_hook(Pace(Sleeping()))
