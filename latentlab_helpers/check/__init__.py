"""The exercises' checks: `check.task` for an answer, `check.loss` for a VAE's loss from anywhere."""

from .answers import task
from .core import Behaviour, Function, Mistake, NotRight, Result, Value, Wrong
from .doctor import Diagnosis, loss
from .tasks import TASKS

__all__ = [
    "TASKS",
    "Behaviour",
    "Diagnosis",
    "Function",
    "Mistake",
    "NotRight",
    "Result",
    "Value",
    "Wrong",
    "loss",
    "task",
]
