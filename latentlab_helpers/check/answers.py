"""The check that a notebook calls."""

from __future__ import annotations

from typing import Any

from .core import Result, graded, judged
from .tasks import TASKS


def task(number: str, *answers: Any) -> Result:
    """Check the answer to an exercise.

    Parameters
    ----------
    number : str
        The task's number, such as "02.1".
    *answers
        What the task asks for: a function, a number, a letter, a model.

    Returns
    -------
    Result
        Not answered yet, right, wrong with a hint for this mistake, or what your code raised and where.

    Raises
    ------
    ValueError
        For a number that no task has.
    NotRight
        While nbgrader grades, for all but a right answer.

    Notes
    -----
    Used in the exercises of every lesson.
    """
    if number not in TASKS:
        raise ValueError(f"there is no task {number!r}; the tasks are {', '.join(TASKS)}")
    return graded(judged(number, TASKS[number], answers))
