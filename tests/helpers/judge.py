"""How the tests of all lessons' exercises ask a check."""

import functools

import pytest

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
            if isinstance(task, check.Value):  # hints and numbers, or words and hints
                known = task.mistakes if is_measured(number) else task.mistakes.values()
            else:
                known = [mistake.hint for mistake in task.mistakes]
            yield number, {hint for hint in known if "; besides, " not in hint}


def answers_tried(lesson, right, wrong):
    """A lesson's three tests of its unusual right answers, its wrong ones, and its list of mistakes.

    `right` has a list of answers by task; `wrong` has tasks, answers, and what is said of each.
    """

    @pytest.mark.parametrize(("number", "i"), [(n, i) for n in right for i in range(len(right[n]))])
    def right_in_an_unusual_form(number, i):
        for _ in range(1 if is_measured(number) else 2):  # chance has no say
            result = judged(number, right[number][i])
            assert result.status == "right", result

    @functools.cache
    def outcome(i):
        number, answer, _ = wrong[i]
        return judged(number, answer)

    @pytest.mark.parametrize("i", range(len(wrong)))
    def a_wrong_answer_gets_its_hint(i):
        result, phrase = outcome(i), wrong[i][2]
        assert result.status == "wrong" and phrase in result.text, result

    def every_single_mistake_is_made_here():
        said = {outcome(i).text for i in range(len(wrong))}
        for number, hints in single_hints(lesson):
            assert hints <= said, number

    return right_in_an_unusual_form, a_wrong_answer_gets_its_hint, every_single_mistake_is_made_here
