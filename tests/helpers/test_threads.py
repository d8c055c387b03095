import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from latentlab_helpers import threads, training


class Recorder:
    """Stands in for `Sleeping`: remembers what it was told."""

    def __init__(self):
        self.state, self.orders = False, []

    def __bool__(self):
        return self.state

    def set(self, sleep):
        self.state = sleep
        self.orders.append(sleep)


class Machine:
    """A clock on which a step takes as long as the way of waiting makes it."""

    def __init__(self, spinning, sleeping):
        self.seconds, self.now = {False: spinning, True: sleeping}, 0.0
        self.sleeping = Recorder()
        self.pace = threads.Pace(self.sleeping, clock=lambda: self.now)
        self.spent = {False: 0, True: 0}

    def steps(self, n, pause=0.0):
        for _ in range(n):
            self.spent[self.sleeping.state] += 1
            self.now += self.seconds[self.sleeping.state] + pause
            self.pace()


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


def test_an_idle_machine_spins_but_for_short_trials():
    machine = Machine(spinning=0.004, sleeping=0.008)
    machine.steps(2000)
    assert not machine.sleeping
    assert 5 <= machine.spent[True] < 0.03 * 2000


def test_a_busy_machine_sleeps_but_for_short_trials():
    machine = Machine(spinning=0.03, sleeping=0.007)
    machine.steps(2000)
    assert machine.sleeping
    assert 5 <= machine.spent[False] < 0.03 * 2000


def test_the_way_of_waiting_follows_the_machine_within_seconds():
    machine = Machine(spinning=0.004, sleeping=0.008)
    machine.steps(500)
    for spinning, sleeping in [(0.03, 0.007), (0.004, 0.008), (0.03, 0.007)]:
        machine.seconds = {False: spinning, True: sleeping}
        start = machine.now
        while machine.sleeping.state != (spinning > sleeping):
            machine.steps(1)
        assert machine.now - start < 3
        machine.steps(200)


def test_a_difference_within_the_noise_changes_nothing():
    machine = Machine(spinning=0.0100, sleeping=0.0098)
    machine.steps(1000)
    assert not machine.sleeping and machine.sleeping.orders.count(True) >= 2


def test_an_evaluation_between_two_steps_is_no_step():
    machine = Machine(spinning=0.004, sleeping=0.008)
    machine.steps(100, pause=threads.PAUSE)
    assert machine.sleeping.orders == []


@pytest.fixture
def hooked(monkeypatch):
    """Of a layer on a device: how often the pace is asked in three steps within the block, and after it."""
    asked = []
    monkeypatch.setattr(threads.Pace, "__call__", lambda self, *_: asked.append(1))

    def count(device="cpu"):
        asked.clear()
        layer = nn.Linear(2, 2, device=device)
        optimizer, other = (torch.optim.SGD(layer.parameters(), lr=0.1) for _ in range(2))
        with threads.adaptive_waiting(optimizer):
            for _ in range(3):
                optimizer.step()
                other.step()
            within = len(asked)
        optimizer.step()
        return within, len(asked) - within

    return count


@pytest.mark.skipif(not threads._has_gnu_openmp(), reason="it acts on GNU's OpenMP")
def test_only_the_given_optimizer_is_looked_after_and_only_within_the_block(hooked, monkeypatch):
    assert hooked() == (3, 0)
    assert hooked("meta") == (0, 0), "the weights are elsewhere"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert hooked() == (0, 0), "a single thread waits for nobody"


def test_elsewhere_nothing_is_touched(hooked, monkeypatch):
    monkeypatch.setattr(threads, "_has_gnu_openmp", lambda: False)
    assert hooked() == (0, 0)
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not threads._has_gnu_openmp()


@pytest.mark.skipif(not threads._has_gnu_openmp(), reason="it acts on GNU's OpenMP")
def test_no_team_is_left_asleep_after_an_error(monkeypatch):
    made = []
    monkeypatch.setattr(threads, "Sleeping", lambda: made.append(Recorder()) or made[-1])
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    with pytest.raises(KeyboardInterrupt), threads.adaptive_waiting(optimizer):
        made[0].set(True)
        raise KeyboardInterrupt
    assert not made[0]


def test_the_numbers_are_the_same_however_threads_wait(few, monkeypatch):
    def trained():
        torch.manual_seed(0)
        model = training.VariationalAutoencoder(4)
        history = training.fit(model, few, epochs=2, batch_size=50, progress=False)
        return torch.cat([w.flatten() for w in model.parameters()]), history.train

    expected, losses = trained()
    sleeping, turns = threads.Sleeping(), itertools.cycle([True, True, False])
    handle = register_optimizer_step_post_hook(lambda *_: sleeping.set(next(turns)))
    try:
        weights, again = trained()
    finally:
        handle.remove()
        sleeping.set(False)
    assert torch.equal(weights, expected) and again == losses


COUNT = """
import time
import psutil, torch
from latentlab_helpers import threads
torch.set_num_threads(2)
torch.zeros(1_000_000).add_(1)
sleeping, count = threads.Sleeping(), psutil.Process().num_threads
before = count()
for sleep in (True, True, False, False, True, False):
    sleeping.set(sleep)
    assert bool(sleeping) == sleep
    expected = before + 2 * sleep  # the thread that holds the team, and the team's second
    deadline = time.monotonic() + 60  # the operating system takes a moment to end one
    while count() != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert count() == expected, (sleep, count(), before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU's OpenMP is Linux's")
def test_a_sleeping_team_comes_and_goes_whole():
    subprocess.run([sys.executable, "-c", COUNT], check=True)


QUIET = """
import torch
from latentlab_helpers import training, models
from torch.optim import optimizer
training.fit(models.Autoencoder(2, widths=(4,)), torch.rand(200, 1, 28, 28), epochs=1, progress=False)
print(len(optimizer._global_optimizer_post_hooks))
"""


def test_importing_the_course_hooks_nobodys_optimizers():
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]
