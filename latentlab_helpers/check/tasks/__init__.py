"""The tasks of all exercises, by number; one file per lesson."""

from ..core import Task
from . import lesson_02

TASKS: dict[str, Task] = {**lesson_02.TASKS}
