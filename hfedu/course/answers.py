"""Answers to exercises as a learner would write them: the Python that defines `answer`.

A stored answer is the thing itself: a function, a class, a text in assembly or C, a list. What is shown of it is its
source, with all imports that a fresh notebook needs.
"""

import ast
import builtins
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from textwrap import indent
from typing import Any

import hfedu

WIDE = 100
"""A list of more characters stands in several lines."""


def shown_source(answer: Any) -> str:
    """The Python source of an answer, which defines `answer`."""
    if is_defined(answer):
        return "\n\n".join([*imports(answer), re.sub(rf"\b{answer.__name__}\b", "answer", inspect.getsource(answer))])
    parts = [part for part in answer if is_defined(part)] if isinstance(answer, tuple) else []
    if parts:
        above = [text for part in parts for text in (*imports(part), inspect.getsource(part))]
        shown = ", ".join(part.__name__ if is_defined(part) else literal(part) for part in answer)
        return "\n\n".join([*above, f"answer = {shown}\n"])
    text = literal(answer)
    return "from hfedu import asset\n\n" * ("asset(" in text) + f"answer = {text}\n"


def answer_of(text: str) -> Any:
    """The answer that source text defines."""
    return defined_by(text, {name: getattr(hfedu, name) for name in hfedu.__all__})


def defined_by(text: str, names: dict[str, Any]) -> Any:
    """The answer that source text defines among other names."""
    exec(text, names)
    return names["answer"]


def without_source(answer: Any) -> Any:
    """The same answer, compiled anew: a run of it can be shown, and the player finds no lines of it."""
    return answer_of(shown_source(answer))


def is_defined(answer: Any) -> bool:
    """Whether an answer is a function or a class."""
    return inspect.isfunction(answer) or inspect.isclass(answer)


def imports(answer: Callable[..., Any]) -> list[str]:
    """The imports that the source of a function or class needs, as one text or none."""
    tree = ast.parse(inspect.getsource(answer))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    module = vars(sys.modules[answer.__module__])
    needed: dict[str, list[str]] = {}
    for name in sorted(used & set(module) - set(dir(builtins)) - {answer.__name__}):
        public = getattr(hfedu, name, None) is module[name]
        origin = "hfedu" if public else getattr(module[name], "__module__", answer.__module__)
        needed.setdefault(origin, []).append(name)
    lines = [f"from {origin} import {', '.join(names)}" for origin, names in sorted(needed.items())]
    return ["\n".join(lines)] if lines else []


def literal(value: Any) -> str:
    """A value as Python that is nice to read."""
    if isinstance(value, str):
        if "\n" not in value:
            return json.dumps(value, ensure_ascii=False)
        return f'r"""{value}"""' if "\\" in value else f'"""{value}"""'
    if isinstance(value, bytes):
        numbers = re.match(rb"[\0-\x1f]*", value)[0]  # type: ignore[index]
        text = f"b{json.dumps(value[len(numbers) :].decode())}"
        return f"bytes({list(numbers)}) + {text}" if numbers else text
    if isinstance(value, Path):
        return f'asset("{value.name}")'
    if isinstance(value, dict):
        return listed("{}", (f"{literal(key)}: {literal(item)}" for key, item in value.items()))
    if isinstance(value, set):
        return listed("{}", sorted(map(literal, value)))
    if isinstance(value, tuple):
        return listed("()", map(literal, value))
    if isinstance(value, list):
        runs = [(text, len(list(same))) for text, same in groupby(map(literal, value))]
        if any(length > 2 for _, length in runs):
            return " + ".join(f"[{text}]" + (f" * {length}" if length > 1 else "") for text, length in runs)
        return listed("[]", map(literal, value))
    return hex(value) if isinstance(value, int) and value > 0xFFF else repr(value)


def listed(brackets: str, items: Iterable[str]) -> str:
    """Items in brackets, in one line if that is not too long."""
    items = list(items)
    line = ", ".join(items)
    if len(line) <= WIDE:
        return f"{brackets[0]}{line}{brackets[1]}"
    lines = indent("".join(f"{item},\n" for item in items), "    ")
    return f"{brackets[0]}\n{lines}{brackets[1]}"
