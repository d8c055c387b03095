"""The arithmetic of training in a browser, as WebAssembly: four numbers at a time, by its SIMD instructions.

It is written here as text, with Python for what repeats itself, and assembled when the page is written. All
arguments are addresses (bytes) and counts. `learner.js` says what each is for, and has it in JavaScript, too.
"""

from __future__ import annotations

import functools
import math


def _op(name: str):
    return lambda *values: f"(f32x4.{name} {' '.join(values)})"


add, sub, mul, div, minimum, maximum = map(_op, ("add", "sub", "mul", "div", "min", "max"))
absolute, root, nearest, less, more = map(_op, ("abs", "sqrt", "nearest", "lt", "gt"))


def get(name: str) -> str:
    return f"(local.get ${name})"


def put(name: str, value: str) -> str:
    return f"(local.set ${name} {value})"


def step(name: str, by: int = 16) -> str:
    return put(name, f"(i32.add {get(name)} (i32.const {by}))")


def four(value: float) -> str:
    return "(v128.const f32x4" + f" {value!r}" * 4 + ")"


def splat(name: str) -> str:
    return f"(f32x4.splat {get(name)})"


def load(name: str, offset: int = 0) -> str:
    return f"(v128.load offset={offset} {get(name)})"


def store(name: str, value: str, offset: int = 0) -> str:
    return f"(v128.store offset={offset} {get(name)} {value})"


def function(
    name: str, takes: str, body: list[str], *, four_of: str = "", gives: str = "", export: bool = True
) -> str:
    """A function; `takes` has its arguments, integers but for those behind a colon, which are floats."""
    whole, _, real = takes.partition(":")
    arguments = [f"(param ${one} i32)" for one in whole.split()] + [
        f"(param ${one} f32)" for one in real.split()
    ]
    out = f'(export "{name}")' if export else ""
    result = f"(result {gives})" if gives else ""
    locals_ = " ".join(f"(local ${one} v128)" for one in four_of.split())
    return f"(func ${name} {out} {' '.join(arguments)} {result} {locals_}\n" + "\n".join(body) + ")"


def through(count: str, body: list[str], by: int = 4) -> str:
    """Four numbers after four, until none is left."""
    left = f"(i32.sub {get(count)} (i32.const {by}))"
    return f"(loop $next {' '.join(body)} (br_if $next (i32.gt_s (local.tee ${count} {left}) (i32.const 0))))"


def tile() -> str:
    """C (4 × 8) += the product of a panel of 4 rows and a panel of 8 columns, which lie k long."""
    sums = [[f"c{i}{j}" for j in range(2)] for i in range(4)]

    def rows(each):
        body = []
        for i in range(4):
            body += [each(i, j) for j in range(2)] + [put("c", f"(i32.add {get('c')} {get('stride')})")]
        return body

    inner = [put("low", load("b")), put("high", load("b", 16))]
    for i in range(4):
        inner.append(put("x", f"(v128.load32_splat offset={4 * i} {get('a')})"))
        inner += [
            put(sums[i][j], add(get(sums[i][j]), mul(get("x"), get(half))))
            for j, half in enumerate(("low", "high"))
        ]
    body = rows(lambda i, j: put(sums[i][j], load("c", 16 * j)))
    body += [put("c", f"(i32.sub {get('c')} (i32.shl {get('stride')} (i32.const 2)))")]
    body += [through("k", [*inner, step("a"), step("b", 32)], by=1)]
    body += rows(lambda i, j: store("c", get(sums[i][j]), 16 * j))
    return function(
        "tile", "a b c k stride", body, four_of="low high x " + " ".join(sum(sums, [])), export=False
    )


PRODUCT = """
(func $product (export "product") (param $a i32) (param $b i32) (param $c i32)
    (param $m i32) (param $n i32) (param $k i32)
  (local $i i32) (local $j i32) (local $stride i32) (local $rows i32)
  (local.set $stride (i32.shl (local.get $n) (i32.const 2)))
  (loop $across
    (local.set $i (i32.const 0))
    (local.set $rows (local.get $a))
    (loop $down
      (call $tile (local.get $rows) (local.get $b)
        (i32.add (local.get $c)
          (i32.add (i32.mul (local.get $i) (local.get $stride)) (i32.shl (local.get $j) (i32.const 2))))
        (local.get $k) (local.get $stride))
      (local.set $rows (i32.add (local.get $rows) (i32.shl (local.get $k) (i32.const 4))))
      (br_if $down (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $m))))
    (local.set $b (i32.add (local.get $b) (i32.shl (local.get $k) (i32.const 5))))
    (br_if $across (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 8))) (local.get $n)))))"""

PACK = """
(func $pack (export "pack") (param $to i32) (param $from i32) (param $n i32) (param $k i32)
    (param $across i32) (param $along i32) (param $width i32)
  (local $i i32) (local $j i32) (local $w i32) (local $row i32) (local $at i32)
  (loop $panel
    (local.set $j (i32.const 0))
    (local.set $row (local.get $from))
    (loop $along
      (local.set $w (i32.const 0))
      (local.set $at (local.get $row))
      (loop $beside
        (f32.store (local.get $to)
          (if (result f32) (i32.lt_u (i32.add (local.get $i) (local.get $w)) (local.get $n))
            (then (f32.load (local.get $at))) (else (f32.const 0))))
        (local.set $to (i32.add (local.get $to) (i32.const 4)))
        (local.set $at (i32.add (local.get $at) (local.get $across)))
        (br_if $beside (i32.lt_u (local.tee $w (i32.add (local.get $w) (i32.const 1))) (local.get $width))))
      (local.set $row (i32.add (local.get $row) (local.get $along)))
      (br_if $along (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $k))))
    (local.set $from (i32.add (local.get $from) (i32.mul (local.get $width) (local.get $across))))
    (br_if $panel (i32.lt_u (local.tee $i (i32.add (local.get $i) (local.get $width))) (local.get $n)))))"""


def exponential(t: str) -> list[str]:
    """e to the power of a number from -87 to 0, into `e`: a power of two times Taylor's series."""
    series = four(1 / math.factorial(7))
    for power in range(6, -1, -1):
        series = add(mul(series, get("r")), four(1 / math.factorial(power)))
    exponent = f"(i32x4.add (i32x4.trunc_sat_f32x4_s {get('whole')}) (i32x4.splat (i32.const 127)))"
    return [
        put("e", maximum(t, four(-87.0))),
        put("whole", nearest(mul(get("e"), four(1 / math.log(2))))),
        put("r", sub(get("e"), mul(get("whole"), four(math.log(2))))),
        put("e", mul(series, f"(i32x4.shl {exponent} (i32.const 23))")),
    ]


def pixels() -> str:
    """The sum of the pixels' losses, and `scale` times their gradients, from logits l and pixels x."""
    s = get("r")  # log(1 + e) = 2 artanh(s) with s = e / (2 + e), at most 1 / 3
    series = four(1 / 13)
    for power in range(11, 0, -2):
        series = add(mul(series, mul(s, s)), four(1 / power))
    negative = less(get("l"), four(0.0))
    body = [
        put("l", load("logits")),
        put("p", load("x")),
        *exponential(sub(four(0.0), absolute(get("l")))),
        # the sigmoid: 1 / (1 + e), or e / (1 + e) for negative logits
        put("sigmoid", div(f"(v128.bitselect {get('e')} {four(1.0)} {negative})", add(four(1.0), get("e")))),
        put("difference", sub(get("sigmoid"), get("p"))),
        f"(if {get('squared')} (then",
        put("sum", add(get("sum"), mul(get("difference"), get("difference")))),
        put("difference", mul(mul(get("difference"), four(2.0)), get("sigmoid"))),
        put("difference", mul(get("difference"), sub(four(1.0), get("sigmoid")))),
        ") (else",
        put("r", div(get("e"), add(get("e"), four(2.0)))),
        put("sum", add(get("sum"), sub(maximum(get("l"), four(0.0)), mul(get("l"), get("p"))))),
        put("sum", add(get("sum"), mul(mul(get("r"), four(2.0)), series))),
        "))",
        store("gradient", mul(get("difference"), splat("scale"))),
        step("logits"), step("x"), step("gradient"),
    ]  # fmt: skip
    lanes = [f"(f32x4.extract_lane {i} {get('sum')})" for i in range(4)]
    total = functools.reduce(lambda a, b: f"(f32.add {a} {b})", lanes)
    return function(
        "pixels", "logits x gradient count squared : scale", [through("count", body), total],
        four_of="l p e r whole sigmoid difference sum", gives="f32",
    )  # fmt: skip


def adam() -> str:
    """A step of Adam; `size` and `correct` have its corrections. What has nearly vanished becomes 0, for
    numbers too small for the usual form are computed a hundred times more slowly."""
    keep = lambda name, least: put(name, f"(v128.and {get(name)} {more(absolute(get(name)), four(least))})")  # noqa: E731
    body = [
        put("g", load("gradient")),
        put("m", add(mul(load("first"), splat("b1")), mul(get("g"), sub(four(1.0), splat("b1"))))),
        put("v", mul(mul(get("g"), get("g")), sub(four(1.0), splat("b2")))),
        put("v", add(mul(load("second"), splat("b2")), get("v"))),
        keep("m", 1e-30), keep("v", 1e-36), store("first", get("m")), store("second", get("v")),
        put("v", add(mul(root(get("v")), splat("correct")), four(1e-8))),
        store("w", sub(load("w"), div(mul(get("m"), splat("size")), get("v")))),
        step("w"), step("gradient"), step("first"), step("second"),
    ]  # fmt: skip
    takes = "w gradient first second count : size correct b1 b2"
    return function("adam", takes, [through("count", body)], four_of="g m v")


def text() -> str:
    """The module, to be assembled; the memory is the page's."""
    relu = [store("y", maximum(load("y"), four(0.0))), step("y")]
    lit = more(load("y"), four(0.0))
    mask = [store("g", f"(v128.and {load('g')} {lit})"), step("y"), step("g")]
    parts = [
        '(import "page" "memory" (memory 1))', tile(), PRODUCT, PACK, pixels(), adam(),
        function("relu", "y count", [through("count", relu)]),
        function("mask", "g y count", [through("count", mask)]),
    ]  # fmt: skip
    return "(module\n" + "\n".join(parts) + ")"


def assembled() -> bytes:
    """The module as a browser takes it."""
    import wasmtime  # only here: who doesn't write the page needs no assembler

    return bytes(wasmtime.wat2wasm(text()))
