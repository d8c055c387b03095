"""How the tests of all lessons' exercises ask a check."""

from latentlab_helpers import check


def is_measured(number):
    """Whether a task asks for a measured number: then the tests' answers are the code that measures it."""
    task = check.TASKS[number]
    return isinstance(task, check.Value) and not isinstance(task.right, str)


def judged(number, answer):
    return check.task(number, answer() if is_measured(number) else answer)


def single_hints(lesson):
    """For each task of a lesson that lists its mistakes, the hints for one mistake at a time."""
    for number, task in check.TASKS.items():
        if number.startswith(lesson) and hasattr(task, "mistakes"):
            known = task.mistakes if is_measured(number) else [mistake.hint for mistake in task.mistakes]
            yield number, {hint for hint in known if "; besides, " not in hint}
