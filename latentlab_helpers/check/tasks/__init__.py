"""The tasks of all exercises, by number; one file per lesson."""

from ..core import Task
from . import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
)

TASKS: dict[str, Task] = {
    **lesson_01.TASKS,
    **lesson_02.TASKS,
    **lesson_03.TASKS,
    **lesson_04.TASKS,
    **lesson_05.TASKS,
    **lesson_06.TASKS,
    **lesson_07.TASKS,
    **lesson_08.TASKS,
    **lesson_09.TASKS,
    **lesson_10.TASKS,
}
