"""The same answer in other forms: whatever a learner may reasonably give for it, and what nobody should."""

import asyncio
import functools
import inspect
import itertools
import types
from collections import OrderedDict

import numpy as np

from hfedu.course.exercises import exercises

BOM, NO_BREAK_SPACE = "\ufeff", "\u00a0"
EACH = ("05-echo", "10-insist")
"""Of scripts that are run, and that are explored, one whose forms are judged each by itself."""


class Called:
    """An object that is called, and one of whose methods is."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, *args):
        return self.answer(*args)

    def script(self):
        return (yield from self.answer())

    def method(self, *args):
        return self.answer(*args)


def decorated(answer):
    @functools.wraps(answer)
    def wrapper(*args):
        return answer(*args)

    return wrapper


def converted(answer, change):
    return lambda *args: change(answer(*args))


def as_list(given):
    return [as_list(item) for item in given] if isinstance(given, tuple) else given


def of_numpy(given):
    if isinstance(given, tuple):
        return tuple(map(of_numpy, given))
    if isinstance(given, bool):
        return np.bool_(given)
    return np.uint64(given) if isinstance(given, int) and given >= 0 else given


def as_array(given):
    numbers = isinstance(given, tuple) and all(type(item) is int for item in given)
    return np.array(given, dtype=np.uint64) if numbers else given


def one_by_one(given):
    return (item for item in given) if isinstance(given, tuple) else given


def forms_of(exercise_id, answer):
    """Name -> the answer in another form."""
    if inspect.isgeneratorfunction(answer):
        if exercise_id not in EACH:
            inner = functools.partial(Called(decorated(answer)).script)
            return {"all of these, one in the other": lambda: Called(inner)()}
        return {
            "a lambda that hands back the generator": lambda: answer(),
            "partial": functools.partial(answer),
            "a bound method": Called(answer).script,
            "an object that is called": Called(answer),
            "decorated": decorated(answer),
        }
    if inspect.isclass(answer):
        return {"derived": type("Derived", (answer,), {})}
    if callable(answer):
        return {
            "a lambda": lambda *args: answer(*args),
            "partial": functools.partial(answer),
            "an object that is called": Called(answer),
            "a bound method": Called(answer).method,
            "lists for tuples": converted(answer, as_list),
            "numbers of numpy": converted(answer, of_numpy),
            "an array": converted(answer, as_array),
            "one by one": converted(answer, one_by_one),
            "a number for a truth": converted(answer, lambda given: int(given) if isinstance(given, bool) else given),
        }
    if isinstance(answer, str):
        return {
            "CR LF": answer.replace("\n", "\r\n"),
            "tabs": answer.replace("    ", "\t"),
            "blanks at the end of lines": answer.replace("\n", "  \n"),
            "a byte order mark": BOM + answer,
            "no-break spaces": answer.replace("    ", f"{NO_BREAK_SPACE}   "),
            "no last newline": answer.rstrip(),
        }
    if isinstance(answer, bytes):
        return {
            "bytearray": bytearray(answer),
            "memoryview": memoryview(answer),
            "numbers": list(answer),
            "a text": answer.decode(),
            "an array": np.frombuffer(answer, np.uint8),
        }
    if isinstance(answer, list):
        others = {"tuple": tuple(answer), "iterator": iter(answer)}
        if isinstance(answer[0], int):
            return others | {"array": np.array(answer), "numbers of numpy": [np.int64(cpu) for cpu in answer]}
        if isinstance(answer[0], str):
            pieces = list(exercises()[exercise_id].pieces)
            return others | {
                "array": np.array(answer),
                "blanks around": [f" {step}  " for step in answer],
                "capitals": [step.upper() for step in answer],
                "numbers": [pieces.index(step) + 1 for step in answer],
            }
        return others
    if isinstance(answer, set):
        others = {"frozenset": frozenset(answer), "list": list(answer), "tuple": tuple(answer)}
        if all(isinstance(item, tuple) for item in answer):
            others |= {"lists in a list": [list(item) for item in answer], "array": np.array(sorted(answer))}
        if len(answer) == 1:
            others["the only one"] = next(iter(answer))
        return others
    if isinstance(answer, tuple):
        name, script = answer
        return {"list": [name, script], "blanks around": (f" {name} ", script), "a lambda": (name, lambda: script())}
    assert isinstance(answer, dict)
    return {
        "OrderedDict": OrderedDict(answer),
        "small letters": {letter.lower(): rule for letter, rule in answer.items()},
        "a view": types.MappingProxyType(answer),
        "pairs": list(answer.items()),
        "lists of texts": {letter: [rule] for letter, rule in answer.items()},
        "sets of texts": {letter: {rule} for letter, rule in answer.items()},
        "what is left out, as None": {**answer, "F": None},
        "what is left out, as an empty text": {**answer, "F": ""},
    }


class Hostile:
    """Whatever is done with it raises."""

    def refuse(self, *args):
        raise ZeroDivisionError("hostile")

    __eq__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = __int__ = __index__ = __lt__ = __getitem__ = refuse
    __hash__ = object.__hash__


def endless_list():
    ring = []
    ring.append(ring)
    return ring


def yields(*given):
    def script():
        yield from given

    return script


def gives(given):
    return lambda *args: given


def needs_much(one, two, three, four, five, six):
    return one


def recursive(*args):
    return recursive(*args)


async def later():
    await asyncio.sleep(0)


async def many_later():
    yield 1


VALUES = {
    "no number": float("nan"), "a float": 2.5, "a large number": 1 << 200, "a negative number": -1, "True": True,
    "an empty text": "", "a text": "no such thing", "odd characters": "\0\ud800\u202e", "bytes": b"\xff\0",
    "an empty list": [], "numbers": [0, 1, 2], "large numbers": [1 << 80, -5], "Nones": [None], "lists": [[], [[]]],
    "a ring": endless_list(), "a set": {1, "two"}, "pairs of texts": {("a", "b")}, "a dict": {1: 2},
    "odd keys": {(): []},    "a dict of texts": {"": ""}, "an array": np.zeros((2, 3, 4)),
    "no dimension": np.array(3), "a range": range(10**12),
    "no end": itertools.count(), "an object": object(), "hostile": Hostile(), "a list of it": [Hostile(), Hostile()],
    "it as key": {Hostile(): Hostile()}, "a pair of it": ("blocked-state", Hostile()), "a class": dict,
    "a module": types, "a type": type, "an exception": ValueError("x"), "a complex number": 1j,
}  # fmt: skip
FUNCTIONS = {
    "async": later, "async generator": many_later, "built in": print, "takes all": max, "no arguments": lambda: 3,
    "needs much": needs_much, "recursion": recursive, "a generator": (n for n in (1,)), "yields a number": yields(3),
    "yields nothing": yields(None), "yields what is hostile": yields(Hostile()), "ends at once": yields(),
    "leaves": gives(SystemExit), "exits": lambda *args: exit(1), "an iterator": iter([]).__next__,
    **{f"gives {name}": gives(value) for name, value in VALUES.items()},
}  # fmt: skip
ODD = {**VALUES, **FUNCTIONS}
"""Answers of any type: name -> answer."""
