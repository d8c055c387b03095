"""How an answer is checked: by what it does with fresh inputs, and by which mistake does the same."""

from __future__ import annotations

import contextlib
import dis
import linecache
import math
import os
import secrets
import sys
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

COURSE = str(Path(__file__).resolve().parents[1])
SIGNS = {
    "not answered yet": "○ Not answered yet",
    "right": "✔ Right",
    "wrong": "✘ Not yet",
    "raised": "⚠ Your code raised",
}


# The instructions of a function that does nothing; the first three whatever they take, the others a constant
UNCONDITIONAL = {"RESUME", "NOP", "COPY_FREE_VARS"}
EMPTY = {"RETURN_CONST", "LOAD_CONST", "RETURN_VALUE", "POP_TOP", "CACHE"}


@dataclass(frozen=True)
class Result:
    """What a check has found; a notebook shows it as one or two sentences.

    Attributes
    ----------
    task : str
        The task's number.
    status : str
        "not answered yet", "right", "wrong" or "raised".
    text : str
        The hint, or what the code raised and where.
    """

    task: str
    status: str
    text: str = ""

    def __repr__(self) -> str:
        between = {"raised": " ", "wrong": ": "}.get(self.status, ". " if self.text else ".")
        return f"{self.task} {SIGNS[self.status]}{between}{self.text}"

    def __bool__(self) -> bool:
        return self.status == "right"


class NotRight(Exception):
    """What a check raises while nbgrader grades; its traceback is the check's own text, and nothing else."""

    def __init__(self, result: Result):
        super().__init__(repr(result))

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Wrong(Exception):
    """Raised by a task's own tests; the text is the hint."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is often given: code that makes it, and the hint that it deserves."""

    hint: str
    does: Callable[..., Any]


def known(mistakes: Mapping[str, Callable[..., Any]]) -> list[Mistake]:
    """Mistakes, from their hints and what makes them."""
    return [Mistake(hint, does) for hint, does in mistakes.items()]


def whole(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number at random, from low to below high: a size of a fresh input."""
    return int(torch.randint(low, high, (), generator=generator))


@dataclass(frozen=True)
class Function:
    """A task whose answer is a function.

    Attributes
    ----------
    right : callable
        The right answer.
    inputs : callable
        Maps a torch.Generator to fresh arguments, a tuple. The tasks' tests call it several times.
    mistakes : sequence of Mistake
        The first that does what the answer does gives the hint.
    sizes : callable
        Maps the arguments to what could be summed or averaged over by mistake: names and numbers.
    gradient : bool
        Whether gradients must flow from the result to every floating-point argument.
    extremes : sequence of tuple
        Arguments at which the right answer is finite, and a careless one isn't.
    returns : str
        What the function returns, in words.
    rel : float
        How far a right answer may be, relative to the largest number of the result.
    """

    right: Callable[..., Any]
    inputs: Callable[[torch.Generator], tuple]
    mistakes: Sequence[Mistake]
    sizes: Callable[..., Mapping[str, float]] = lambda *_: {}
    gradient: bool = False
    extremes: Sequence[tuple] = ()
    returns: str = "a number"
    rel: float = 1e-3

    def __call__(self, answer: Any) -> str:
        if not callable(answer):
            raise Wrong(f"the answer is a function; yours is {_kind(answer)}")
        generator = torch.Generator().manual_seed(secrets.randbits(60))
        cases = [self.inputs(generator) for _ in range(12)]  # of four, a mistake could pass
        right = [_value(self.right(*_copies(case))) for case in cases]
        given = [_number(_value(answer(*_copies(case))), b) for case, b in zip(cases, right, strict=True)]
        if not all(_close(a, b, self.rel) for a, b in zip(given, right, strict=True)):
            again = _number(_value(answer(*_copies(cases[0]))), right[0])
            raise Wrong(self.diagnosis(cases, given, right, drawn=not _close(again, given[0], self.rel)))
        for case in self.extremes:
            wanted = _value(self.right(*_copies(case)))
            if not _close(_number(_value(answer(*_copies(case))), wanted), wanted, self.rel):
                raise Wrong(
                    "right on usual numbers, and wrong on extreme ones: a large exponential overflows, or "
                    "log(0) is infinite. Rewrite it so that neither is ever computed "
                    "(logsumexp, *_with_logits)"
                )
        if self.gradient:
            self.check_gradient(answer, cases[0])
        return ""

    def diagnosis(self, cases: list[tuple], given: list[Any], right: list[Any], drawn: bool = False) -> str:
        """The hint for an answer that is wrong; drawn: it gives another result each time."""
        known = [(mistake.hint, mistake.does) for mistake in self.mistakes]
        for hint, does in known:
            if _agree(given, _try(does, cases), self.rel):
                return hint
        numbers_right = _agree([np.ravel(a) for a in given], _raveled(right), self.rel)
        if not numbers_right and any(np.shape(a) != np.shape(b) for a, b in zip(given, right, strict=True)):
            for hint, does in known:  # of another shape, but the same numbers
                if _agree([np.ravel(a) for a in given], _raveled(_try(does, cases)), self.rel):
                    return hint
        if text := self._form(given, right):
            return text
        sizes = [self.sizes(*case) for case in cases]
        if text := factor(given, right, sizes, self.rel):
            return text
        if any(not np.isfinite(value).all() for value in given):
            return (
                "the result isn't finite (NaN or infinite): look for log(0), a division by 0, an "
                "exponential that overflows"
            )
        if all(_close(value, given[0], self.rel) for value in given[1:]):
            return (
                "the result is the same whatever goes in: use the arguments, not a fixed number or a global"
            )
        for hint, does in known:
            made = _try(does, cases)
            if made is not None and (text := factor(given, made, sizes, self.rel)):
                return f"{hint}. Besides, the result comes {text.removeprefix(RIGHT_BUT)}"
        if drawn:
            return (
                "the same inputs give another result each time: a random number is in it, and none is asked "
                "for"
            )
        shifts = np.concatenate([np.ravel(a - b) for a, b in zip(given, right, strict=True)])
        if np.ptp(shifts) < 1e-6 + self.rel * abs(shifts).max():
            return (
                f"the result is off by the same amount each time, {shifts[0]:.4g}: a constant is "
                "missing, or extra"
            )
        i = next(i for i, (a, b) in enumerate(zip(given, right, strict=True)) if not _close(a, b, self.rel))
        a, b = np.ravel(given[i]), np.ravel(right[i])
        where = f"on fresh inputs {_shapes(cases[i])}"
        off = _off(a, b, self.rel)
        if off[:3].any():  # what is shown differs
            return f"{where} yours gives {_short(a)}, and the right answer is {_short(b)}"
        at = int(off.argmax())
        place = ", ".join(str(int(n)) for n in np.unravel_index(at, np.shape(right[i])))
        return (
            f"{where} yours begins as the right answer does, but at [{place}] it gives {a[at]:.4g}, and the "
            f"right answer is {b[at]:.4g}"
        )

    def _form(self, given: list[Any], right: list[Any]) -> str:
        """What is wrong with the shape of the results, if anything."""
        a, b = np.shape(given[0]), np.shape(right[0])
        if a == b:
            return ""
        whole = np.ravel(right[0])
        if (
            a == ()
            and whole.size > 1
            and np.isclose(given[0], [whole.sum(), whole.mean()], rtol=self.rel).any()
        ):
            return (
                f"one number comes back, where {self.returns} is asked: the last sum or mean is one too many"
            )
        if b == () and np.size(given[0]) > 1:
            values = np.ravel(given[0])
            for name, i in (("first", 0), ("last", -1)):
                pairs = zip(given, right, strict=True)
                if all(np.ndim(v) == 1 and v.size and _close(v[i], w, self.rel) for v, w in pairs):
                    return (
                        f"{values.size} numbers come back, where {self.returns} is asked: "
                        f"return the {name} alone"
                    )
            what = (
                "sum"
                if np.isclose(values.sum(), right[0], rtol=self.rel)
                else ("mean" if np.isclose(values.mean(), right[0], rtol=self.rel) else "")
            )
            end = f"take its {what} at the end" if what else "reduce it, as the task says"
            return f"numbers of shape {a} come back, where {self.returns} is asked: {end}"
        if a[::-1] == b and _close(np.transpose(given[0]), right[0], self.rel):
            return "the result is transposed"
        wanted = f"{self.returns}, of shape {b} for inputs like these"
        return f"the result has the shape {a}; the task asks for {wanted}"

    def check_gradient(self, answer: Callable[..., Any], case: tuple) -> None:
        leaves = [value.clone().requires_grad_() if _floats(value) else value for value in case]
        made = answer(*(leaf * 1 if _floats(leaf) else leaf for leaf in leaves))  # may be changed in place
        if not isinstance(made, torch.Tensor) or not made.requires_grad:
            raise Wrong(
                "right numbers, but no gradient can flow back through them: stay with torch's functions, "
                "without no_grad, detach, item, numpy, or torch.tensor around a result"
            )
        wanted = [leaf for leaf in leaves if _floats(leaf)]
        gradients = torch.autograd.grad(made.sum(), wanted, allow_unused=True)
        expected = self.right(*(leaf * 1 if _floats(leaf) else leaf for leaf in leaves))
        true = torch.autograd.grad(expected.sum(), wanted, allow_unused=True)
        for got, meant in zip(gradients, true, strict=True):
            if meant is not None and (got is None or not _close(_value(got), _value(meant), 10 * self.rel)):
                raise Wrong(
                    "right numbers, but a gradient is lost or changed on the way: is something detached?"
                )


@dataclass(frozen=True)
class Value:
    """A task whose answer is a number, or a word.

    Attributes
    ----------
    right : callable or str
        Gives the number (measured anew, not remembered); or the right word.
    mistakes : mapping
        Hints, and the wrong number of each, or a callable that gives it; for words, word → hint.
    sizes : mapping of str to float
        What the number could be multiplied or divided by, by mistake.
    rel : float
        How far a right answer may be, as a share.
    """

    right: Callable[[], float] | str
    mistakes: Mapping[str, Any]
    sizes: Mapping[str, float] = field(default_factory=dict)
    rel: float = 0.01

    def __call__(self, answer: Any) -> str:
        if isinstance(self.right, str):
            if not isinstance(answer, str):
                raise Wrong(f"the answer is a letter in quotes; yours is {_kind(answer)}")
            word = answer.strip().strip("().").lower()
            if word == self.right:
                return ""
            raise Wrong(self.mistakes.get(word, f"there is no {answer!r} to choose from"))
        value = np.asarray(_value(answer), float)
        if value.size != 1:
            raise Wrong(f"the answer is one number; yours has the shape {value.shape}")
        given, right = float(value.ravel()[0]), float(self.right())
        if not math.isfinite(given):
            raise Wrong(
                "that is NaN or infinite, so one of the numbers behind it is: look for a division by 0, or a "
                "mean that takes in a NaN (nanmean leaves it out)"
            )
        if math.isclose(given, right, rel_tol=self.rel, abs_tol=1e-9):
            return ""
        near: dict[str, float] = {}
        for hint, wrong in self.mistakes.items():
            made = float(wrong() if callable(wrong) else wrong)
            if math.isclose(given, made, rel_tol=1e-4):
                raise Wrong(hint)
            if math.isclose(given, made, rel_tol=self.rel, abs_tol=1e-9):
                near[hint] = abs(given - made)
        if near:  # a rounded number: the nearest counts
            raise Wrong(min(near, key=lambda hint: near[hint]))
        by = factor([np.asarray(given)], [np.asarray(right)], [self.sizes], self.rel)
        raise Wrong(by or f"{given:.4g} is too {'large' if given > right else 'small'}")


@dataclass(frozen=True)
class Behaviour:
    """A task whose answer is tried out by code of its own, which raises `Wrong` with the hint."""

    test: Callable[..., str | None]

    def __call__(self, *answers: Any) -> str:
        return self.test(*answers) or ""


Task = Function | Value | Behaviour


def graded(result: Result) -> Result:
    """The result, or NotRight while nbgrader grades (it says so in its kernels' environment)."""
    if "NBGRADER_EXECUTION" in os.environ and not result:
        raise NotRight(result)
    return result


def quiet() -> contextlib.AbstractContextManager:
    """While nbgrader grades, send warnings to the usual output: it takes any other for a failure."""
    grading = "NBGRADER_EXECUTION" in os.environ
    return contextlib.redirect_stderr(sys.stdout) if grading else contextlib.nullcontext()


def judged(number: str, test: Callable[..., str], answers: tuple) -> Result:
    """Run a task's test on the answers; whatever they do, the outcome is a Result."""
    if not answers or any(unanswered(answer) for answer in answers):
        return Result(number, "not answered yet")
    try:
        with torch.random.fork_rng(devices=[]), quiet():  # the reader's own random numbers stay as they were
            torch.manual_seed(secrets.randbits(60))
            return Result(number, "right", test(*answers))
    except Wrong as wrong:
        return Result(number, "wrong", str(wrong))
    except NotImplementedError as error:
        if "site-packages" not in traceback.extract_tb(error.__traceback__)[-1].filename:
            return Result(number, "not answered yet")
        return Result(number, "raised", raised(error, answers))  # such as torch's, for a missing forward
    except Exception as error:
        return Result(number, "raised", raised(error, answers))


def unanswered(answer: Any) -> bool:
    """Whether an answer is still the placeholder: `...`, None, or a function without a body."""
    if answer is ... or answer is None:
        return True
    return isinstance(answer, types.FunctionType) and all(
        step.opname in UNCONDITIONAL or step.opname in EMPTY and step.argval in (None, ..., 0, "")
        for step in dis.get_instructions(answer)
    )


def raised(error: BaseException, answers: tuple) -> str:
    """What was raised, and in which of the reader's own lines; never a line of the course."""
    own = {code.co_filename for answer in answers if (code := _code(answer))}
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename in own]
    if not mine:  # a helper of the reader's, or a call that didn't fit
        mine = [
            f
            for f in frames
            if not f.filename.startswith(COURSE)
            and "site-packages" not in f.filename
            and "/lib/python" not in f.filename
            and "\\lib\\" not in f.filename.lower()
        ]
    message = str(error).strip() or "without a message"
    what = f"{type(error).__name__}: {message.splitlines()[0]}"
    if not mine:
        return f"{what}. Its arguments or its result have another form than the task asks for."
    last = mine[-1]
    line = (last.line or linecache.getline(last.filename, last.lineno or 0)).strip()
    return f"{what}. It happened in line {last.lineno} of your cell, in {last.name}: {line}"


def factor(given: list[Any], right: list[Any], sizes: Sequence[Mapping[str, float]], rel: float) -> str:
    """In words, the factor between two series of results: a sign, a half, a unit or a size; "" if none."""
    ratios = []
    for a, b in zip(given, right, strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        if a.shape != b.shape or not np.isfinite(a).all() or not abs(b).max() > 0:
            return ""
        ratio = float((a * b).sum() / (b * b).sum())
        if not _close(a, ratio * b, rel) or ratio == 0:
            return ""
        ratios.append(ratio)
    names = list(sizes[0]) if sizes else []
    for powers in sorted(product((0, 1, -1), repeat=len(names)), key=lambda p: sum(map(abs, p))):
        if sum(map(abs, powers)) > 2:
            continue
        by = [math.prod(s[n] ** p for n, p in zip(names, powers, strict=True)) for s in sizes] or [1.0] * len(
            ratios
        )
        for number, words in PLAIN.items():
            if all(
                math.isclose(r, number * s, rel_tol=max(rel, 1e-4)) for r, s in zip(ratios, by, strict=True)
            ):
                if number == 1 and not any(powers):
                    return ""
                parts = [words] * bool(words)
                parts += [
                    f"multiplied by the number of {n} (a sum in place of a mean, or a sum twice)"
                    for n, p in zip(names, powers, strict=True)
                    if p == 1
                ]
                parts += [
                    f"divided by the number of {n} (a mean in place of a sum, or a division twice)"
                    for n, p in zip(names, powers, strict=True)
                    if p == -1
                ]
                return RIGHT_BUT + " and ".join(parts)
    if max(ratios) - min(ratios) <= rel * abs(ratios[0]) and len(ratios) > 1:
        return f"{RIGHT_BUT}multiplied by {ratios[0]:.4g}: a constant factor is wrong"
    return ""


RIGHT_BUT = "your result is the right one, "
PLAIN = {
    1.0: "", -1.0: "with the wrong sign", 2.0: "doubled: a factor ½ is missing",
    0.5: "halved: a factor ½ too many",
    -2.0: "doubled, and with the wrong sign", -0.5: "halved, and with the wrong sign", 4.0: "times 4",
    0.25: "divided by 4",
    math.log(2): "times ln 2: these are nats of something in bits, or the other way round",
    1 / math.log(2): "divided by ln 2: log₂ where the natural logarithm is meant",
    1 / math.log(10): "divided by ln 10: log₁₀ where the natural logarithm is meant",
    100.0: "times 100: a percentage where a share is asked", 0.01: "divided by 100",
}  # fmt: skip


def refuse_nothing(made: Any) -> None:
    """Raise the hint for a function that has returned nothing."""
    if made is None:
        raise Wrong("your function returns nothing: does it end with a return?")


def _value(made: Any) -> Any:
    """A result as float64 numbers, from a tensor, an array, a number, or a sequence of these."""
    if isinstance(made, torch.Tensor):
        return made.detach().cpu().double().numpy()
    if made is ...:
        raise NotImplementedError
    refuse_nothing(made)
    if isinstance(made, (Mapping, str)) or callable(made):
        raise Wrong(f"numbers are asked for; what came back is {_kind(made)}")
    if isinstance(made, list | tuple):
        parts = [_value(part) for part in made]
        if len({part.shape for part in parts}) > 1:
            return np.concatenate([part.ravel() for part in parts])
        return np.stack(parts) if parts else np.zeros(0)
    return np.asarray(made, float)


def _number(value: Any, right: Any) -> Any:
    """A result of one number as a plain number, where one is asked: (1,) will do for ()."""
    return np.reshape(value, ()) if np.shape(right) == () and np.size(value) == 1 else value


def _copies(case: tuple) -> list[Any]:
    return [value.clone() if isinstance(value, torch.Tensor) else value for value in case]


def _off(a: np.ndarray, b: np.ndarray, rel: float) -> np.ndarray:
    """Where numbers differ from those of the same shape that are right."""
    scale = float(np.nanmax(np.where(np.isfinite(b), abs(b), 0), initial=0.0))
    return ~np.isclose(a, b, rtol=rel, atol=rel * scale * 0.1 + 1e-9, equal_nan=True)


def _close(a: Any, b: Any, rel: float) -> bool:
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and not _off(a, b, rel).any()


def _agree(given: list[Any], made: list[Any] | None, rel: float) -> bool:
    return made is not None and all(_close(a, b, rel) for a, b in zip(given, made, strict=True))


def _try(does: Callable[..., Any], cases: list[tuple]) -> list[Any] | None:
    try:
        return [_value(does(*_copies(case))) for case in cases]
    except Exception:  # a mistake that can't be made on these inputs
        return None


def _raveled(made: list[Any] | None) -> list[Any] | None:
    return None if made is None else [np.ravel(value) for value in made]


def _floats(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _code(answer: Any) -> types.CodeType | None:
    function = getattr(answer, "func", answer)  # of a functools.partial
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__"):
        function = getattr(type(function), "forward", None)
    return getattr(function, "__code__", None)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _short(value: Any) -> str:
    flat = np.ravel(value)
    text = ", ".join(f"{number:.4g}" for number in flat[:3])
    return f"[{text}{', …' if flat.size > 3 else ''}]" if flat.size != 1 else text


def _shapes(case: tuple) -> str:
    shown = [
        str(tuple(v.shape))
        if isinstance(v, torch.Tensor)
        else f"{v:.4g}"
        if isinstance(v, float)
        else str(v)
        if isinstance(v, int | bool | str)
        else type(v).__name__
        for v in case
    ]
    return f"({', '.join(shown)})"
