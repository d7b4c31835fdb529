"""Python's own state as a value: what scripts, a hypervisor of one's own and their objects hold.

Two states are the same only if whatever could tell them apart is: an object counts by its type and its content, and
which places share one object is part of it; a generator counts by the place in its code, its variables and its
evaluation stack, where the iterators of `for` loops lie too. CPython shows that stack to the garbage collector.
"""

import array
import functools
import gc
import hashlib
import struct
import sys
import warnings
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from functools import cache, partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
    WrapperDescriptorType,
)
from typing import Any
from weakref import ReferenceType

from hfedu.hf.check import Refused

PLAIN = (int, str, bytes, type(None))
"""Types whose values are part of a key as they are; of other types, the type is part of it too."""
NUMBERS = (bool, float, complex, range, type(...), type(NotImplemented))
LARGEST = 20_000
"""Objects of one state at most: beyond that a script is told apart by its history."""
HEAP_TYPE = 1 << 9
"""The flag of a class that was made by a class statement."""
WORD = struct.calcsize("P")
HIDDEN = ("__dict__", "__weakref__")


class NotFrozen(Exception):
    """A value that cannot be told from others like it. `kind` names its type."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@cache
def slots_of(kind: Hashable) -> tuple[str, ...]:
    """The names of the slots of a class, and of those that it builds on."""
    found: list[str] = []
    for cls in kind.__mro__:  # type: ignore[attr-defined]
        slots = vars(cls).get("__slots__", ())
        own = (slots,) if isinstance(slots, str) else tuple(slots)
        found += [
            f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            for name in own
            if name not in HIDDEN
        ]
    return tuple(found)


def attributes_of(found: Any) -> dict[str, Any]:
    """The attributes that an object holds itself, in slots or not."""
    kind: Any = type(found)
    slots = {name: getattr(found, name) for name in slots_of(kind) if hasattr(found, name)}
    try:
        held = object.__getattribute__(found, "__dict__")
    except AttributeError:
        held = getattr(found, "__dict__", None)
    return {**slots, **held} if isinstance(held, dict) else slots


@cache
def code_name(code: CodeType) -> str:
    """A name for a piece of code: two that are alike in every respect have the same, in every process."""

    def facts(code: CodeType) -> tuple[Any, ...]:
        constants = tuple(facts(c) if isinstance(c, CodeType) else (type(c).__name__, repr(c)) for c in code.co_consts)
        return code.co_qualname, code.co_code, code.co_linetable, code.co_firstlineno, code.co_names, constants

    return f"{code.co_qualname} {hashlib.sha256(repr(facts(code)).encode()).hexdigest()[:16]}"


class Freezer:
    """Freezes the values of one state. `known` names the objects that stand for themselves, by their id.

    Whatever else is met again within the state is said to be the same object. `NotFrozen` if a value cannot be told.
    With `reasons` it counts why a call was refused.
    """

    def __init__(self, known: dict[int, str], reasons: bool = False) -> None:
        self.known, self.reasons = known, reasons
        self.met: dict[int, int] = {}
        self.alive: list[Any] = []

    def __call__(self, value: Any) -> Any:
        """The value as part of a key."""
        kind: Any = type(value)
        if kind in PLAIN:
            return value
        name = self.known.get(id(value))
        if name is not None:
            return "@", name
        if kind is tuple:
            return ("tuple", *map(self, value))
        if kind in NUMBERS:
            return kind.__name__, repr(value)
        if isinstance(value, Enum) and is_at_its_name(kind):
            return kind.__qualname__, value._name_
        if kind is Refused:
            return "refused", int(value), value.check if self.reasons else None
        again = self.met.get(id(value))
        if again is not None:
            return "again", again
        return self.first(kind, value)

    def first(self, kind: Any, value: Any) -> Any:
        """An object that was not met before."""
        if len(self.alive) >= LARGEST:
            raise NotFrozen("too many objects")
        if not issubclass(kind, tuple | int | str | bytes | frozenset):
            self.met[id(value)] = len(self.alive)
            self.alive.append(value)
        if isinstance(value, type):
            return self.type_made(value)
        built_on = layout_of(kind)
        if kind is built_on:
            return self.content(value)
        if built_on is object or built_on in CONTENTS:
            content = CONTENTS[built_on](self, value) if built_on in CONTENTS else ()
            made = () if is_at_its_name(kind) else self(kind)
            return kind.__module__, kind.__qualname__, made, content, self.named(attributes_of(value))
        return self.reduced(value)

    def content(self, value: Any) -> Any:
        """An object of a type that is not made by a class statement."""
        kind = type(value)
        return HANDLERS[kind](self, value) if kind in HANDLERS else self.reduced(value)

    def named(self, values: dict[str, Any]) -> Any:
        """Values by name; in what order they came does not matter."""
        return tuple((name, self(values[name])) for name in sorted(values))

    def reduced(self, value: Any) -> Any:
        """An object of which Python knows how to make another one alike: an iterator, a number, a pattern."""
        if isinstance(value, functools._lru_cache_wrapper):  # what it keeps is no part of how to make it
            raise NotFrozen("function with a cache")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: Any = type(value).__reduce_ex__(value, 2)  # type: ignore[call-arg]
        except Exception:
            raise NotFrozen(type(value).__name__) from None
        self.alive.append(found)
        if isinstance(found, str):
            return "global", found
        parts = [list(part) if isinstance(part, Iterator) else part for part in found]
        self.alive.append(parts)
        dicts = [each for each in gc.get_referents(value) if type(each) is dict] if hasattr(value, "__next__") else ()
        return "reduced", type(value).__qualname__, *map(self, parts), *map(self, dicts)

    def type_made(self, value: type) -> Any:
        """A class: one that stands at its name is that; of one that was made on the way its attributes count."""
        if is_at_its_name(value):
            return "class", value.__module__, value.__qualname__
        return "class", value.__qualname__, self.named(class_data(value, functions=True))

    def module(self, value: ModuleType) -> Any:
        """A module: one that was made on the way counts by what it holds."""
        return "module", value.__name__, () if sys.modules.get(value.__name__) is value else self.named(vars(value))

    def function(self, value: FunctionType) -> Any:
        """A function: its code and what it closes over."""
        held = (value.__closure__ or (), value.__defaults__ or (), value.__kwdefaults__ or {}, vars(value))
        return "function", code_name(value.__code__), *map(self, held)

    def cell(self, value: CellType) -> Any:
        """A variable that functions share."""
        try:
            return "cell", self(value.cell_contents)
        except ValueError:
            return ("cell",)

    def generator(self, value: "GeneratorType[Any, Any, Any]") -> Any:
        """Where a generator is: the place in its code, its variables, and its evaluation stack."""
        frame = value.gi_frame
        if frame is None:
            return ("ended",)
        bound = frame.f_locals
        found = gc.get_referents(value)
        begin = next((at for at, each in enumerate(found) if is_function_of(each, value.gi_code)), None)
        if begin is None:
            raise NotFrozen("generator")
        names = tuple(sorted(bound))
        key: list[Any] = ["generator", code_name(value.gi_code), frame.f_lasti, names]
        known = self.known
        for each in found[begin + 1 :]:
            kind = type(each)
            if kind in PLAIN:
                key.append(each)
            elif id(each) in known:
                key.append(("@", known[id(each)]))
            elif kind is MethodType:  # a call that is being prepared has it as one or as two, as CPython likes
                key += (self(each.__func__), self(each.__self__))
            elif each is not bound and kind is not FrameType and kind is not CodeType:
                key.append(self(each))
        return tuple(key)


@cache
def is_at_its_name(kind: Any) -> bool:
    """Whether a class is the one that its module has under its name."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


@cache
def layout_of(kind: Any) -> Any:
    """The nearest base of a class, or itself, that keeps state of its own which no attribute shows."""
    while kind is not object and kind.__flags__ & HEAP_TYPE and kind.__base__ is not None:
        base = kind.__base__
        own = vars(kind).get("__slots__", ())
        words = len((own,) if isinstance(own, str) else tuple(own))
        words += (kind.__weakrefoffset__ > 0) - (base.__weakrefoffset__ > 0)
        words += (kind.__dictoffset__ > 0) - (base.__dictoffset__ > 0)
        if kind.__basicsize__ > base.__basicsize__ + WORD * max(words, 0):
            return kind
        kind = base
    return kind


def is_function_of(found: Any, code: CodeType) -> bool:
    """Whether an object is a function with this code."""
    return type(found) is FunctionType and found.__code__ is code


def class_data(kind: type, functions: bool = False) -> dict[str, Any]:
    """The attributes of a class that are data; with `functions`, those too."""
    left_out: tuple[type, ...] = (MemberDescriptorType, GetSetDescriptorType)
    left_out = left_out if functions else (*left_out, FunctionType, staticmethod, classmethod, property)
    return {
        name: value
        for name, value in vars(kind).items()
        if not isinstance(value, left_out)
        and (isinstance(value, FunctionType) or not (name.startswith("__") or name == "_abc_impl"))
    }


def set_content(freezer: Freezer, value: Any) -> Any:
    """A set: whole numbers as they come, which decides how a loop meets them, and else in an order of their own."""
    items = [freezer(each) for each in value]
    return tuple(items) if all(type(each) is int for each in items) else tuple(sorted(items, key=repr))


def items_content(freezer: Freezer, value: Any) -> Any:
    """A dict in its order, for a loop sees that."""
    ordered = OrderedDict.items(value) if isinstance(value, OrderedDict) else dict.items(value)
    made = freezer(value.default_factory) if isinstance(value, defaultdict) else ()
    return made, *((freezer(name), freezer(each)) for name, each in list(ordered))


CONTENTS: dict[type, Callable[[Freezer, Any], Any]] = {
    dict: items_content,
    OrderedDict: items_content,
    defaultdict: items_content,
    list: lambda freezer, value: tuple(map(freezer, list.__iter__(value))),
    set: set_content,
    frozenset: set_content,
    deque: lambda freezer, value: (value.maxlen, *map(freezer, deque.__iter__(value))),
    bytearray: lambda _, value: bytes(value),
    array.array: lambda _, value: (value.typecode, value.tobytes()),
    tuple: lambda freezer, value: tuple(map(freezer, tuple.__iter__(value))),
    int: lambda _, value: int.__add__(value, 0),
    float: lambda _, value: float.__repr__(value),
    str: lambda _, value: str.__str__(value),
    bytes: lambda _, value: bytes.__getitem__(value, slice(None)),
    SimpleNamespace: lambda freezer, value: freezer.named(vars(value)),
}
"""Built-in types that hold something beside attributes, and what."""


def handler_of(kind: type, content: Callable[[Freezer, Any], Any]) -> Callable[[Freezer, Any], Any]:
    """How an object of a built-in type with a content is frozen."""
    return lambda freezer, value: (kind.__name__, content(freezer, value))


HANDLERS: dict[type, Callable[[Freezer, Any], Any]] = {
    **{kind: handler_of(kind, content) for kind, content in CONTENTS.items()},
    object: lambda *_: ("object",),
    FunctionType: Freezer.function,
    GeneratorType: Freezer.generator,
    CellType: Freezer.cell,
    MethodType: lambda freezer, value: ("method", freezer(value.__func__), freezer(value.__self__)),
    BuiltinFunctionType: lambda freezer, value: (
        "builtin", value.__qualname__, value.__module__ if is_free(value) else freezer(value.__self__),
    ),
    MethodWrapperType: lambda freezer, value: ("method", value.__name__, freezer(value.__self__)),
    WrapperDescriptorType: lambda _, value: ("method", value.__qualname__),
    MethodDescriptorType: lambda _, value: ("method", value.__qualname__),
    partial: lambda freezer, value: ("partial", *map(freezer, (value.func, value.args, value.keywords))),
    super: lambda freezer, value: ("super", freezer(value.__thisclass__), freezer(value.__self__)),
    ModuleType: Freezer.module,
    CodeType: lambda _, value: ("code", code_name(value)),
    memoryview: lambda freezer, value: ("memoryview", freezer(value.obj), bytes(value)),
    ReferenceType: lambda freezer, value: ("reference", freezer(value())),
    property: lambda freezer, value: ("property", *map(freezer, (value.fget, value.fset))),
    staticmethod: lambda freezer, value: ("staticmethod", freezer(value.__func__)),
    classmethod: lambda freezer, value: ("classmethod", freezer(value.__func__)),
}  # fmt: skip
"""How an object of a built-in type is frozen."""


def is_free(function: Any) -> bool:
    """Whether a built-in function belongs to a module, and so to no object."""
    return function.__self__ is None or isinstance(function.__self__, ModuleType)
