"""The tables of docs/teaching, from what teaching.json holds."""

from __future__ import annotations

import math

PACE = 238  # words a minute, for English prose that isn't fiction: Brysbaert, 2019. Code is read more slowly.
STUDENTS, CORES, HEADROOM = 30, (4, 8, 16, 32), 1.3
COLUMNS = (
    "lesson", "minutes to run, 2 threads", "… 1 thread", "core-minutes, 1 thread", "MB at most, 2 threads",
    "… 1 thread", "words", f"minutes to read, {PACE} words a minute", "lines of code", "guesses",
)  # fmt: skip


def lesson(found: dict, name: str) -> str:
    """What stands on a lesson's own page."""
    of = found["lessons"][name]
    two, one = (of["threads"][threads] for threads in "21")
    slow = ", ".join(f"`{cell}` {seconds:.0f} s" for cell, seconds in two["slowest"].items())
    run = f"{two['seconds'] / 60:.1f} minutes with two threads, {one['seconds'] / 60:.1f} with one"
    if not (two["quiet"] and one["quiet"]):
        run += " (too many: other programs were running)"
    reading = f"{of['words']:,} words, {of['words'] / PACE:.0f} minutes at {PACE} words a minute"
    beside = f"{of['code_lines']} lines of code, {of['figures']} figures, {of['guesses']} guesses"
    memory = f"{two['peak_mb']:,.0f} MB at most with two threads, {one['peak_mb']:,.0f} with one"
    return "\n".join(
        [
            f"- **To run:** {run}. The slowest cells: {slow}.",
            f"- **To read:** {reading}; {beside}, {of['instruments']} cells with instruments.",
            f"- **Memory:** {memory}.",
        ]
    )


def lessons(found: dict) -> str:
    """The table of all lessons."""
    machine, runs = found["machine"], []
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for name, of in found["lessons"].items():
        two, one = (of["threads"][threads] for threads in "21")
        runs += [two, one]
        times = [f"{seconds / 60:.1f}" for seconds in (two["seconds"], one["seconds"], one["cpu_seconds"])]
        memory = [f"{run['peak_mb']:,.0f}" for run in (two, one)]
        reading = [f"{of['words']:,}", f"{of['words'] / PACE:.0f}", f"{of['code_lines']}", f"{of['guesses']}"]
        lines.append(f"| {' | '.join([name[:2], *times, *memory, *reading])} |")
    loud, most = sum(not run["quiet"] for run in runs), max(run["cores_used_by_others"] for run in runs)
    quiet = (
        f"{loud} of {len(runs)} runs were disturbed: their minutes are too many" if loud else "It was quiet"
    )
    return (
        f"Measured by `python course.py teaching` on {machine['processor']}, {machine['cores']} cores, "
        f"PyTorch {machine['torch']},\nPython {machine['python']}, on the CPU. {quiet} "
        f"(other programs used up to {most:.2f} of a core).\n\n" + "\n".join(lines)
    )


def classroom(found: dict) -> str:
    """The arithmetic for a class that works on one server."""
    ones = {name: of["threads"]["1"] for name, of in found["lessons"].items()}
    large, long = (max(ones, key=lambda name: ones[name][key]) for key in ("peak_mb", "cpu_seconds"))
    peak, shared = round(ones[large]["peak_mb"]), round(ones[large]["shared_mb"])
    server, core = round(found["server_mb"]), round(ones[long]["cpu_seconds"] / 60, 1)
    n, each, rest, work = STUDENTS, peak + server, peak + server - shared, STUDENTS * core
    limit = math.ceil(2 * HEADROOM * each / 1000) / 2
    waits = ", ".join(f"{work / cores:.0f} on {cores}" for cores in CORES)
    whole, counted = STUDENTS * each / 1000, (shared + STUDENTS * rest) / 1000
    return f"""\
- **Memory for one.** The hungriest lesson is {large[:2]}: {peak:,} MB at most, with one thread. The student's
  own JupyterLab server adds {server:,} MB. Together {each:,} MB.
- **Memory for {n}.** {n} × {each:,} MB = {whole:.0f} GB, if all reach the peak at once and share nothing.
  {shared:,} MB of the kernel are libraries, which kernels of one environment share. Counted once:
  {shared:,} + {n} × {rest:,} MB = {counted:.0f} GB.
- **A limit for each.** {HEADROOM} × {each:,} MB = {HEADROOM * each / 1000:.1f} GB; set {limit:g} GB. A second
  kernel that is left running needs as much again.
- **Cores.** The most work is in lesson {long[:2]}: {core} minutes of one core. {n} × {core} = {work:.0f}
  core-minutes. If all press *Run All* together, the last is done after (minutes): {waits}
  cores, if sharing costs nothing. Spread over 45 minutes, the same work keeps {work:.0f} / 45 =
  {work / 45:.1f} cores busy."""
