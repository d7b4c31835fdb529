"""Variants of exercises: another one of the same kind for each learner, drawn from a seed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from random import Random
from typing import Any

from hfedu.course import forms
from hfedu.course.exercises import Exercise, Wrong
from hfedu.notebook import Run

Arguments = tuple[int, ...]
RESULTS_ASKED = 4
"""That are asked for where the exercise itself asks for a function."""
DRAWN_AT_MOST = 200
"""Draws until each wrong answer has results of its own. Those that need odder arguments than are drawn have none."""


def of_results(draw: Callable[[Random], Arguments]) -> Callable[[Exercise, Random], Exercise]:
    """The variants of an exercise that asks for a function of numbers: its results for some, which `draw` makes."""

    def variant(exercise: Exercise, rng: Random) -> Exercise:
        for _ in range(DRAWN_AT_MOST):
            given = [draw(rng) for _ in range(RESULTS_ASKED)]
            right = results_of(exercise.solution, given)
            wrong = {name: results_of(answer, given) for name, (answer, _) in exercise.wrong.items()}
            told = {repr(results): name for name, results in reversed(wrong.items()) if results != right}
            if len(told) == len(wrong):
                break
        wrong = {name: results for name, results in wrong.items() if told.get(repr(results)) == name}
        asked = ", ".join(map(listed_arguments, given))
        return replace(
            exercise,
            task=f"a list of what this function gives for {asked}: {exercise.task}",
            wants=f"a list of {RESULTS_ASKED} results",
            takes=forms.items,
            judge=partial(judge_results, given, right, wrong),
            solution=right,
            wrong={name: (answer, f"comes out: {name}.") for name, answer in wrong.items()},
        )

    return variant


def results_of(function: Callable[..., Any], given: Sequence[Arguments]) -> list[Any]:
    """What a function gives for each of some arguments."""
    return [forms.plain(function(*each)) for each in given]


def listed_arguments(given: Arguments) -> str:
    """Arguments as one reads them."""
    each = [hex(number) for number in given]
    return each[0] if len(each) == 1 else f"({', '.join(each)})"


def judge_results(
    given: Sequence[Arguments], right: Sequence[Any], wrong: dict[str, list[Any]], answer: Sequence[Any]
) -> None:
    """Each result must be there. What is right is not told, for it would be the answer."""
    if len(answer) != len(right):
        raise Wrong(f"A list of {len(right)} results is asked for, and this one has {len(answer)}.")
    for arguments, want, got in zip(given, right, answer, strict=True):
        if got != want or isinstance(got, bool):
            like = next((name for name, its in wrong.items() if list(answer) == its), None)
            why = f" In all of them something known comes out: {like}." if like else ""
            raise Wrong(f"For {listed_arguments(arguments)} it is not {got!r}.{why}")


def of_places(orders: Sequence[Sequence[str]]) -> Callable[[Exercise, Random], Exercise]:
    """The variants of an exercise that asks for an order of steps of which several are right: one of these `orders`.

    Told are the places of as few steps as single it out among them.
    """

    def variant(exercise: Exercise, rng: Random) -> Exercise:
        asked = list(rng.choice(orders))
        others = [order for order in orders if list(order) != asked]
        ways = [way for count in range(1, len(asked)) for way in combinations(range(len(asked)), count)]
        telling = [way for way in ways if all(any(other[at] != asked[at] for at in way) for other in others)]
        told = rng.choice([way for way in telling if len(way) == len(telling[0])])
        wanted = {asked[place]: place + 1 for place in told}
        said = " and ".join(f"“{step}” is step {place}" for step, place in wanted.items())
        another = {
            "right, and not the one asked for": (list(rng.choice(others)), "It is a right order, and not the one")
        }
        return replace(
            exercise,
            task=f"{exercise.task} More than one is. Here {said}.",
            judge=partial(judge_places, exercise.judge, wanted),
            solution=asked,
            wrong={**exercise.wrong, **another},
        )

    return variant


def judge_places(judge: Callable[[Any], Run | None], wanted: dict[str, int], answer: Sequence[str]) -> Run | None:
    """An order must be right, and have some steps in the places that are asked for."""
    run = judge(answer)
    for step, place in wanted.items():
        if answer[place - 1] != step:
            raise Wrong(f"It is a right order, and not the one that is asked for: here “{step}” is step {place}.", run)
    return run
