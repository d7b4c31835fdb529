"""Which physical CPU takes the next atomic step: a schedule is an input, so every run can be repeated."""

import random
from collections.abc import Callable, Sequence

from hfedu.errors import Mistake
from hfedu.hf.platform import MAX_CPUS

Schedule = int | str | Sequence[int]
"""A seed; "every K" (each CPU takes K steps in turn); or a list that names the CPU of each step."""
Choose = Callable[[Sequence[int]], int]
"""From the numbers of the CPUs that can go on, in order and not empty, to one of them."""

DEFAULT = "every 1"
LONGEST_SCHEDULE = 1 << 20
"""Characters of a schedule that is a text."""


def chooser(schedule: Schedule, turns: int = 1) -> Choose:
    """A fresh start of a schedule. A list that has come to its end lets each CPU go on until it cannot.

    `turns` is how many numbers each CPU has: with a store buffer it has two.

    `Mistake` if it is none, or, when it is used, if it names a CPU that cannot go on.
    """
    if isinstance(schedule, str) and len(schedule) <= LONGEST_SCHEDULE:
        word, _, number = schedule.partition(" ")
        if word == "every" and number.isdecimal() and len(number) < 10 and int(number):
            return _in_turn(int(number))
        if schedule.isdecimal() and len(schedule) < 1000:
            schedule = int(schedule)
        elif all(part.strip().isdecimal() and len(part) < 10 for part in schedule.split(",")):
            schedule = [int(part) for part in schedule.split(",")]
    if isinstance(schedule, int) and not isinstance(schedule, bool):
        return random.Random(schedule).choice
    if isinstance(schedule, list | tuple) and all(
        isinstance(cpu, int) and 0 <= cpu < turns * MAX_CPUS for cpu in schedule
    ):
        return _listed(schedule)
    raise Mistake(
        f"{schedule!r:.60} is no schedule: "
        "give a whole number (a seed), a text such as 'every 3', or a list of CPU numbers"
    )


def _in_turn(steps: int) -> Choose:
    current, left = -1, 0

    def choose(able: Sequence[int]) -> int:
        nonlocal current, left
        if not left or current not in able:
            current, left = min(able, key=lambda cpu: (cpu <= current, cpu)), steps
        left -= 1
        return current

    return choose


def _listed(cpus: Sequence[int]) -> Choose:
    at, current = 0, 0

    def choose(able: Sequence[int]) -> int:
        nonlocal at, current
        if at == len(cpus):
            current = current if current in able else able[0]
            return current
        current = cpus[at]
        if current not in able:
            names = " and ".join(f"CPU {cpu}" for cpu in able)
            raise Mistake(f"step {at} of the schedule names CPU {current}, which cannot go on there: name {names}")
        at += 1
        return current

    return choose
