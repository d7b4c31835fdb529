"""The forms of answers: what a learner may give, and what a judge gets of it.

Each function here takes an answer and gives it in the one form that judges know. A tuple is as good as a list, a number
of numpy's as one of Python's, a function that hands back a generator as a generator function. `Unfit` if the answer is
nothing of the kind. None of them looks at what an answer does.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from hfedu.errors import printable
from hfedu.guest.scripted import Script

T = TypeVar("T")
WORDS_OF_TYPES = {str: "text", int: "number", float: "number", bytes: "bytes", type(None): "None"}
DEEPEST = 20
"""Lists in lists of what a function gives that are looked into."""
ITEMS_AT_MOST = 10_000
"""Of an answer that is a list."""


class Unfit(Exception):
    """An answer is nothing of the kind that is wanted. The text says why, if its type does not say it all."""


def plain(value: Any, depth: int = DEEPEST) -> Any:
    """What a function gave, as judges compare it: lists as tuples, numbers of numpy as Python's, any bytes as bytes.

    What gives its items one by one, as a generator, `map` or `range` does, is a tuple of them. `Unfit` if they are too
    many.
    """
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if type(value).__module__ == "numpy":
        value = value.tolist()
    if isinstance(value, list | tuple | range | Iterator) and depth:
        return tuple(plain(item, depth - 1) for item in at_most(value))
    return value


def at_most(items: Iterable[Any]) -> Iterator[Any]:
    """The items one by one. `Unfit` if they are more than anybody needs."""
    for number, item in enumerate(items):
        if number == ITEMS_AT_MOST:
            raise Unfit(f"It has more than {ITEMS_AT_MOST:,} items.")
        yield item


def items(answer: Any) -> list[Any]:
    """What stands in a list or in anything that gives its items one by one. `Unfit` for texts, bytes and numbers."""
    if isinstance(answer, str | bytes | bytearray | memoryview | Mapping | type) or not isinstance(answer, Iterable):
        raise Unfit
    try:
        each = iter(answer)
    except TypeError:  # of numpy, an array of no dimension
        raise Unfit from None
    return [plain(item) for item in at_most(each)]


def all_of(answer: Any, kind: type | tuple[type, ...]) -> list[Any]:
    """The items of a list, each of a kind; True is no number."""
    found = items(answer)
    if not all(isinstance(item, kind) and not isinstance(item, bool) for item in found):
        raise Unfit
    return found


def function(answer: Any) -> Callable[..., Any]:
    """A function, which gives its results as `plain`; one with `yield` gives all that it yields."""
    if not callable(answer):
        raise Unfit
    if inspect.iscoroutinefunction(answer):
        raise Unfit("Write def, without async.")

    def called(*args: Any) -> Any:
        return plain(answer(*args))

    return called


def is_script(answer: Any) -> bool:
    """Whether an answer is a generator function, or an object that is called like one."""
    return inspect.isgeneratorfunction(answer) or inspect.isgeneratorfunction(vars(type(answer)).get("__call__"))


def guest(answer: Any) -> Script:
    """A scripted guest: a generator function, or a function that hands back a generator."""
    if inspect.isgenerator(answer):
        raise Unfit("Give the function itself, without brackets behind its name.")
    if inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
        raise Unfit("Write def, without async.")
    if not callable(answer) or isinstance(answer, type):
        raise Unfit
    needed = needed_arguments(answer)
    if needed:
        raise Unfit(f"It needs arguments ({', '.join(needed)}), and nobody gives it any.")
    if inspect.isgeneratorfunction(answer):
        return cast(Script, answer)
    made = handed_back(answer)
    if not inspect.isgenerator(made):
        raise Unfit(
            "There is no yield in it, and a call that is not yielded is not made: yield vcpu_run(1)."
            if made is None
            else f"It hands back {described(made)}, and not a generator."
        )
    made.close()

    def called() -> Any:
        return (yield from answer())

    called.__name__ = called.__qualname__ = getattr(answer, "__name__", type(answer).__name__)
    return called


def handed_back(answer: Callable[[], T]) -> T:
    """What a function hands back; whatever it raises is the fault of the learner's, which it is or runs."""
    return answer()


def needed_arguments(answer: Callable[..., Any]) -> list[str]:
    """The names of the arguments without which a function cannot be called."""
    with suppress(ValueError, TypeError):  # some functions that are not Python's do not tell
        parameters = inspect.signature(answer).parameters.values()
        return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return []


def source_text(answer: Any) -> str:
    """A program as a text."""
    if not isinstance(answer, str):
        raise Unfit
    return str(answer)


def data(answer: Any) -> bytes:
    """Bytes, in whatever holds them; a text as `send` takes it; a list of numbers from 0 to 255."""
    if isinstance(answer, str):
        return answer.encode(errors="replace")
    if isinstance(answer, bytes | bytearray | memoryview):
        return bytes(answer)
    numbers = all_of(answer, int)
    if not all(0 <= number < 256 for number in numbers):
        raise Unfit("A byte is a number from 0 to 255.")
    return bytes(numbers)


def order_of(pieces: Sequence[str]) -> Callable[[Any], list[str]]:
    """Steps in an order: their texts, or their numbers from 1 in the order in which they are shown first."""
    known = {" ".join(piece.split()).casefold(): piece for piece in pieces}

    def order(answer: Any) -> list[str]:
        found = all_of(answer, (str, int))
        numbers = [step for step in found if isinstance(step, int)]
        if numbers and (len(numbers) < len(found) or not all(0 < number <= len(pieces) for number in numbers)):
            raise Unfit(f"The steps have the numbers 1 to {len(pieces)}.")
        if numbers:
            return [pieces[number - 1] for number in numbers]
        return [known.get(" ".join(step.split()).casefold(), step) for step in found]

    return order


def schedule(answer: Any) -> list[int]:
    """A list of CPU numbers."""
    if isinstance(answer, str) and answer.isascii() and answer.isdigit():
        return [int(digit) for digit in answer]
    return all_of(answer, int)


def pairs(answer: Any) -> set[tuple[int, int]]:
    """A set of pairs of numbers."""
    found = items(answer)
    for pair in found:
        if not isinstance(pair, tuple) or [type(number) for number in pair] != [int, int]:
            raise Unfit
    return set(found)


def names(answer: Any) -> set[str]:
    """A set of ids, in small letters; one text is a set of one."""
    found = [answer] if isinstance(answer, str) else all_of(answer, str)
    return {name.strip().casefold() for name in found}


def described(answer: Any) -> str:
    """What an answer is, in a few words."""
    for kind, word in WORDS_OF_TYPES.items():
        if type(answer) is kind and word in ("bytes", "None"):
            return word
    name = printable(type(answer).__name__)
    article = "an" if name[:1].lower() in "aeiou" else "a"
    if type(answer) not in (list, tuple, set, frozenset):
        return f"{article} {name}"
    kinds = sorted({WORDS_OF_TYPES.get(type(item), printable(type(item).__name__)) for item in answer})
    if len(kinds) != 1:
        return f"{article} {name} of this and that" if kinds else f"an empty {name}"
    return f"{article} {name} of {kinds[0]}{'' if kinds[0] in ('bytes', 'None') or len(answer) == 1 else 's'}"
