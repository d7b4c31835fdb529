"""Python's own state as a value: what scripts, a hypervisor of one's own and their objects hold.

Two states are the same only if whatever could tell them apart is: an object counts by its type and its content, and
which places share one object is part of it; a generator counts by the place in its code, its variables and its
evaluation stack, where the iterators of `for` loops lie too. CPython shows that stack to the garbage collector.
"""

import array
import builtins
import ctypes
import functools
import gc
import hashlib
import struct
import sys
import warnings
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from functools import cache, partial, wraps
from inspect import CO_OPTIMIZED
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
    TracebackType,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any, TypeVar
from weakref import ReferenceType, WeakKeyDictionary, getweakrefs

from hfedu.hf.check import Refused

PLAIN = (int, str, bytes, type(None))
"""Types whose values are part of a key as they are; of other types, the type is part of it too."""
NUMBERS = (bool, float, complex, range, type(...), type(NotImplemented))
LARGEST = 20_000
"""Objects of one state at most: beyond that a script is told apart by its history."""
HEAP_TYPE = 1 << 9
"""The flag of a class that was made by a class statement."""
WORD = struct.calcsize("P")
OF_A_FRAME = 3
"""References to the dict of a frame's variables while it is looked at, if nobody else has it."""
BUILTINS = vars(builtins)
HIDDEN = ("__dict__", "__weakref__")
DICT_VIEWS: tuple[type, ...] = tuple(
    type(view)
    for each in (dict[Any, Any](), OrderedDict[Any, Any]())
    for view in (each.keys(), each.values(), each.items())
)
"""Views of dicts: they hold nothing but what they show."""
OF_THE_LANGUAGE = frozenset((
    *HIDDEN, "__module__", "__qualname__", "__slots__", "__static_attributes__", "__firstlineno__", "__match_args__",
    "__annotations__", "__annotations_cache__", "__annotate_func__", "__annotate__", "__abstractmethods__", "_abc_impl",
    "__dataclass_fields__", "__dataclass_params__", "__orig_bases__", "__parameters__", "__type_params__", "__hash__",
    "__slotnames__", "__protocol_attrs__", "__non_callable_proto_members__", "__new_member__", "__set_name__",
))  # fmt: skip
"""Attributes of a class that Python itself makes of its class statement."""
MAKES_ANOTHER = ("__reduce_ex__", "__reduce__", "__getstate__")


T = TypeVar("T")


class NotFrozen(Exception):
    """A value that cannot be told from others like it. `kind` names its type."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def once_a_class(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """A function of a class that remembers what it gave, as long as the class lives."""
    known: WeakKeyDictionary[Any, T] = WeakKeyDictionary()

    @wraps(function)
    def ask(kind: Any) -> T:
        found = known.get(kind)
        if found is None:
            found = known[kind] = function(kind)
        return found

    return ask


@once_a_class
def slots_of(kind: Any) -> dict[str, Any]:
    """The slots of a class and of those that it builds on, by name; one that another hides has its class before it."""
    found: dict[str, Any] = {}
    for cls in kind.__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if name in HIDDEN:
                continue
            private = name.startswith("__") and not name.endswith("__")
            inside = f"_{cls.__name__.lstrip('_')}{name}" if private else name
            slot = vars(cls).get(inside)
            if isinstance(slot, MemberDescriptorType):
                found[f"{cls.__qualname__}.{inside}" if inside in found else inside] = slot
    return found


def attributes_of(found: Any) -> dict[str, Any]:
    """The attributes that an object holds itself, in slots or not."""
    held: dict[str, Any] = {}
    for name, slot in slots_of(type(found)).items():
        with suppress(AttributeError):
            held[name] = slot.__get__(found)
    try:
        more = object.__getattribute__(found, "__dict__")
    except AttributeError:
        more = getattr(found, "__dict__", None)
    return {**held, **more} if isinstance(more, dict) else held


def locals_of(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame, in a dict of its own: the frame keeps none that would keep alive what they hold."""
    found = frame.f_locals
    copy = dict(found)
    if type(found) is dict and frame.f_code.co_flags & CO_OPTIMIZED:
        if sys.getrefcount(found) > OF_A_FRAME:
            raise NotFrozen("dict of locals()")
        found.clear()
    return copy


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
        if value is BUILTINS:
            return "@", "builtins"
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
        if kind is not ModuleType and kind.__weakrefoffset__ and any(map(gc.get_referents, getweakrefs(value))):
            raise NotFrozen(f"{kind.__name__} that somebody waits for the end of")
        built_on = layout_of(kind)
        if kind is built_on:
            content = self.content(value)
            return (content, self.named(attributes_of(value))) if kind in WITH_ATTRIBUTES else content
        if built_on is object or built_on in CONTENTS:
            content = CONTENTS[built_on](self, value) if built_on in CONTENTS else ()
            made = () if is_at_its_name(kind) else self(kind)
            return kind.__module__, kind.__qualname__, made, content, self.named(attributes_of(value))
        return self.content(value) if issubclass(kind, BaseException) else self.reduced(value)

    def content(self, value: Any) -> Any:
        """An object of a type that is not made by a class statement."""
        kind = type(value)
        if isinstance(value, BaseException):
            return self.exception(value)
        return HANDLERS[kind](self, value) if kind in HANDLERS else self.reduced(value)

    def named(self, values: dict[str, Any]) -> Any:
        """Values by name; in what order they came does not matter."""
        return tuple((name, self(values[name])) for name in sorted(values))

    def reduced(self, value: Any) -> Any:
        """An object of which Python knows how to make another one alike: an iterator, a number, a pattern."""
        if isinstance(value, functools._lru_cache_wrapper):  # what it keeps is no part of how to make it
            raise NotFrozen("function with a cache")
        if not all(is_pythons(type(value), name) for name in MAKES_ANOTHER):
            raise NotFrozen(type(value).__name__)
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
        over: tuple[Any, ...] = ()
        if hasattr(value, "__next__"):
            over = tuple(each for each in gc.get_referents(value) if isinstance(each, dict | set))
        held = attributes_of(value)
        return "reduced", type(value).__qualname__, *map(self, parts), *map(self, over), self.named(held)

    def exception(self, value: BaseException) -> Any:
        """An exception: what its class, and those that it builds on, keep in it, and where it has been."""
        kind = type(value)
        members: dict[str, Any] = {}
        for cls in kind.__mro__:
            for name, member in vars(cls).items() if not cls.__flags__ & HEAP_TYPE else ():
                if isinstance(member, MemberDescriptorType | GetSetDescriptorType) and name not in HIDDEN:
                    with suppress(AttributeError):
                        members[name] = member.__get__(value)
        made = () if is_at_its_name(kind) else self(kind)
        return "exception", kind.__qualname__, made, self.named(members), self.named(attributes_of(value))

    def frame(self, value: FrameType) -> Any:
        """A call, which an exception or a variable keeps: its variables."""
        return "frame", code_name(value.f_code), value.f_lasti, self.named(locals_of(value))

    def type_made(self, value: type) -> Any:
        """A class: one that stands at its name is that; of one that was made on the way its attributes count."""
        if is_at_its_name(value):
            return "class", value.__module__, value.__qualname__
        made = () if type(value) is type else self(type(value))
        bases, data = tuple(map(self, value.__bases__)), self.named(class_data(value, functions=True))
        return "class", value.__qualname__, value.__name__, made, bases, data

    def module(self, value: ModuleType) -> Any:
        """A module: one that was made on the way counts by what it holds."""
        return "module", value.__name__, () if sys.modules.get(value.__name__) is value else self.named(vars(value))

    def function(self, value: FunctionType) -> Any:
        """A function: its code and what it closes over."""
        held = (value.__closure__ or (), value.__defaults__ or (), value.__kwdefaults__ or {}, vars(value))
        told = (value.__name__, value.__qualname__, value.__doc__, annotations_of(value))
        return "function", code_name(value.__code__), *map(self, (*held, *told)), self.scope(value.__globals__)

    def scope(self, value: dict[str, Any]) -> Any:
        """The globals of a function: those of a module are that, of others what they hold counts."""
        names = value.get("__name__"), getattr(value.get("__spec__"), "name", None)
        modules = (sys.modules.get(str(name)) for name in names)
        return () if any(module is not None and vars(module) is value for module in modules) else self(value)

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
        names = tuple(sorted(locals_of(frame)))
        found = gc.get_referents(value)
        begin = next((at for at, each in enumerate(found) if is_function_of(each, value.gi_code)), None)
        if begin is None:
            raise NotFrozen("generator")
        named = value.__name__, value.__qualname__, self.scope(frame.f_globals)
        key: list[Any] = ["generator", code_name(value.gi_code), frame.f_lasti, names, named]
        known = self.known
        del found[: begin + 1 + (found[begin + 1 : begin + 2] == [value.gi_code])]
        for each in found:
            kind = type(each)
            if kind in PLAIN:
                key.append(each)
            elif id(each) in known:
                key.append(("@", known[id(each)]))
            elif kind is MethodType:  # a call that is being prepared has it as one or as two, as CPython likes
                key += (self(each.__func__), self(each.__self__))
            else:
                key.append(self(each))
        return tuple(key)


@once_a_class
def is_at_its_name(kind: Any) -> bool:
    """Whether a class is the one that its module has under its name."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


@once_a_class
def layout_of(kind: Any) -> Any:
    """The nearest base of a class, or itself, that keeps state of its own which no attribute shows."""
    while kind is not object and kind.__flags__ & HEAP_TYPE and kind.__base__ is not None:
        base = kind.__base__
        own = vars(kind).get("__slots__", ())
        words = len((own,) if isinstance(own, str) else tuple(own))
        words += (kind.__weakrefoffset__ > 0) - (base.__weakrefoffset__ > 0)
        words += bool(kind.__dictoffset__) - bool(base.__dictoffset__)
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
        if not isinstance(value, left_out) and (isinstance(value, FunctionType) or name not in OF_THE_LANGUAGE)
    }


def annotations_of(function: FunctionType) -> Any:
    """The annotations of a function, as they are written, if they can be told."""
    with suppress(Exception):
        return tuple(map(repr, function.__annotations__.items()))
    return ()


def is_pythons(kind: Any, name: str) -> bool:
    """Whether a method of a class is Python's own."""
    made = next((cls for cls in kind.__mro__ if name in vars(cls)), object)
    return made.__module__.partition(".")[0] in (*sys.stdlib_module_names, "builtins")


def set_content(freezer: Freezer, value: Any) -> Any:
    """A set in an order of its own, and, where that tells, in the order in which a loop meets its items.

    Of other objects than numbers and texts that order is of no use: it comes from where they lie in memory.
    """
    items = [freezer(each) for each in value]
    if all(type(each) is int for each in items):
        return value.__sizeof__(), *items
    if all(type(each) in PLAIN for each in items):
        tidy = sorted(items, key=repr)
        return tuple(tidy), () if list(set(tidy)) == items else tuple(items)
    return tuple(sorted(items, key=repr))


def memoryview_content(freezer: Freezer, value: memoryview) -> Any:
    """A view: of what, from where on, and how it is laid out."""
    whole = memoryview(value.obj)
    begin: Any = None
    if not value.readonly and value.nbytes != whole.nbytes:
        if not value.c_contiguous:
            raise NotFrozen("memoryview of a part")
        begin = address_of(value) - address_of(whole)
    return freezer(value.obj), begin, value.format, value.shape, value.strides, bytes(value)


def address_of(value: memoryview) -> int:
    """Where a view begins in memory, nowhere if it is empty."""
    return ctypes.addressof(ctypes.c_char.from_buffer(value.cast("B"))) if value.nbytes else 0


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
    memoryview: lambda freezer, value: ("memoryview", memoryview_content(freezer, value)),
    ReferenceType: lambda freezer, value: ("reference", *map(freezer, (value(), value.__callback__))),
    **dict.fromkeys(
        (MappingProxyType, *DICT_VIEWS),
        lambda freezer, value: (type(value).__name__, *map(freezer, gc.get_referents(value))),
    ),
    UnionType: lambda freezer, value: ("union", *map(freezer, value.__args__)),
    FrameType: Freezer.frame,
    TracebackType: lambda freezer, value: (
        "traceback", value.tb_lasti, freezer(value.tb_frame), freezer(value.tb_next),
    ),
    property: lambda freezer, value: ("property", *map(freezer, (value.fget, value.fset, value.fdel, value.__doc__))),
    staticmethod: lambda freezer, value: ("staticmethod", freezer(value.__func__)),
    classmethod: lambda freezer, value: ("classmethod", freezer(value.__func__)),
}  # fmt: skip
"""How an object of a built-in type is frozen."""
WITH_ATTRIBUTES = frozenset((partial, OrderedDict, staticmethod, classmethod))
"""Those of them whose objects can have attributes of one's own, which their content does not show."""


def is_free(function: Any) -> bool:
    """Whether a built-in function belongs to a module, and so to no object."""
    return function.__self__ is None or isinstance(function.__self__, ModuleType)
