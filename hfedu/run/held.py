"""What lies outside the scripts and can change all the same: found, put back before each replay, and part of a state.

From functions it follows what they close over, their defaults, the objects that they are bound to and the globals that
they name; from objects their attributes and what these hold; from the classes of a user their attributes.
"""

import dis
import gc
import sys
from _thread import LockType, RLock
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import _lru_cache_wrapper, cache, partial
from io import IOBase
from operator import is_
from re import Match, Pattern
from struct import Struct
from threading import local
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    UnionType,
)
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.run.frozen import (
    CONTENTS,
    DICT_VIEWS,
    PLAIN,
    Freezer,
    NotFrozen,
    attributes_of,
    class_data,
    is_free,
    layout_of,
    slots_of,
)

NOWHERE = object()
"""The value of a name that is not bound."""
REFLECTION = frozenset(
    ("setattr", "delattr", "globals", "vars", "exec", "eval", "__dict__", "__setattr__", "__kwdefaults__")
)
"""Names with which a function can change what is not seen to be changed."""
OF_CALLS = frozenset(("rows", "calls"))
"""The table of calls of a hypervisor's class, which is made with it."""
OPAQUE = ("hfedu", "logging")
"""Packages whose objects are looked into only where that is asked for: what a log was told no script sees."""
UNCHANGING = (Match, Pattern, Struct, UnionType, local)
"""Types of Python's own whose objects hold nothing that changes, but for their attributes."""


class Outside(NamedTuple):
    """Something that can change: its name for a user, how to read it and how to put it back, and what it was.

    What is read is a row of objects. `plain` says that nothing in sight can change it.
    """

    name: str
    read: Callable[[], tuple[Any, ...]]
    put: Callable[[tuple[Any, ...]], object]
    kept: tuple[Any, ...]
    frozen: Any
    plain: bool

    def changed(self) -> tuple[Any, ...] | None:
        """What is there now, None if it is what was there."""
        now = self.read()
        return None if len(now) == len(self.kept) and all(map(is_, now, self.kept)) else now


class World:
    """The objects outside, by a name each. `known` names all that stand for themselves in a key, by their id."""

    def __init__(self) -> None:
        self.known: dict[int, str] = {}
        self.held: list[Outside] = []
        self.alive: list[Any] = []
        self._new: list[tuple[str, Callable[[], tuple[Any, ...]], Callable[[tuple[Any, ...]], object], bool]] = []
        self._waiting: deque[tuple[Any, str]] = deque()
        self._names: set[str] = set()
        self._stores = False
        self.scopes: set[int] = set()
        self.mentioned: set[str] = set()
        """All names of globals and attributes in the code of the user's functions."""
        self.unseen: list[str] = []
        """What cannot be looked into: whether it changes nobody knows."""
        self.remembers: list[str] = []
        """Functions with a cache."""
        self.fields: frozenset[str] = frozenset()
        """Names of attributes that may be assigned, for somebody else keeps what they hold."""

    def name(self, found: Any, name: str) -> None:
        """Let an object stand for itself, and look no further."""
        while name in self._names:
            name += "'"
        self._names.add(name)
        self.known[id(found)] = name
        self.alive.append(found)

    def hold_attributes(self, found: Any, name: str, without: Iterable[str] = (), plain: bool = False) -> None:
        """An object that has a name already: its attributes, and all that they hold."""
        self._attributes(found, name, frozenset(without), plain)

    def hold_class(self, found: type) -> None:
        """A class that was made on the way: its attributes, which nothing changes but what is seen to."""
        self._hold(found.__qualname__, partial(read_class, found), partial(put_class, found), plain=True)

    def hold_content(self, found: dict[Any, Any], name: str) -> None:
        """A dict of ours, which holds plain values and which no script sees."""
        self.name(found, name)
        self._hold(name, partial(read_dict, found), partial(put_dict, found), plain=True)

    def follow(self, found: Any, name: str) -> None:
        """All that can be reached from an object."""
        self._waiting.append((found, name))

    def look_round(self) -> None:
        """Find all that was asked for."""
        while self._waiting:
            self._visit(*self._waiting.popleft())

    def settle(self) -> None:
        """Find all that was asked for, and keep it as it is now."""
        self.look_round()
        for name, read, put, plain in self._new:
            kept = read()
            self.held.append(Outside(name, read, put, kept, self._frozen(name, kept, self.freezer()), plain))
        self._new = []

    @property
    def constant(self) -> bool:
        """Whether nothing here can change, as far as is seen."""
        return not self._stores and all(held.plain for held in self.held)

    def freezer(self) -> Freezer:
        """What freezes the values of a state. Why a call was refused counts only where somebody's code asks for it."""
        return Freezer(self.known, "check" in self.mentioned)

    def refuse_unseen(self) -> None:
        """`Mistake` if there is something that can neither be compared nor put back."""
        for each in self.unseen:
            raise Mistake(
                f"nobody can look into {each}, and so not tell whether it changes: keep there what can be compared, "
                "such as lists, dicts and objects of your own"
            )

    def restore(self) -> None:
        """Put everything back. `Mistake`, once all else is put back, if something cannot be."""
        failed = None
        for held in self.held:
            if held.changed() is not None:
                try:
                    held.put(held.kept)
                except Mistake as mistake:
                    failed = failed or mistake
        if failed is not None:
            raise failed

    def changes(self, freezer: Freezer) -> tuple[Any, ...]:
        """All that is not as it was, as part of a key."""
        found = []
        for number, held in enumerate(self.held):
            now = held.changed()
            if now is not None:
                frozen = self._frozen(held.name, now, freezer)
                if frozen != held.frozen:
                    found.append((number, frozen))
        return tuple(found)

    @staticmethod
    def _frozen(name: str, kept: tuple[Any, ...], freezer: Freezer) -> Any:
        try:
            return freezer(kept)
        except NotFrozen as error:
            raise Mistake(
                f"{name} holds a {error.kind}, of which the explorer cannot tell whether it has changed: keep there "
                "what can be compared, such as numbers, texts, lists, dicts and objects of your own"
            ) from None

    def _visit(self, found: Any, name: str) -> None:
        kind = type(found)
        if kind in PLAIN or (id(found) in self.known and id(found) not in self.scopes):
            return
        self.scopes.discard(id(found))
        if kind in FOLLOWED:
            self._waiting += ((each, f"{name}{suffix}") for suffix, each in FOLLOWED[kind](found))
        elif kind is FunctionType:
            self._function(found, name)
        elif isinstance(found, type):
            self._class(found, name)
        elif kind is CellType:
            self.name(found, name)
            self._hold(name, partial(cell_content, found), partial(set_cell, found), plain=True)
            self._waiting += ((each, name) for each in cell_content(found))
        elif not isinstance(found, ModuleType):
            self._object(found, name)

    def _object(self, found: Any, name: str) -> None:
        """An object of another kind."""
        kind: Any = type(found)
        built_on = layout_of(kind)
        if isinstance(found, tuple | frozenset):
            self._waiting += ((each, f"{name}[{at}]") for at, each in enumerate(found))
        if isinstance(found, tuple | frozenset | int | str | bytes | float):
            if kind.__dictoffset__:
                self.name(found, name)
                self._attributes(found, name)
            return
        self.name(found, name)
        if isinstance(found, ContextVar):
            self._hold(name, partial(read_context, found), partial(put_context, found))
            self._waiting += ((each, name) for each in read_context(found) if each is not NOWHERE)
            return
        of_ours = isinstance(found, _lru_cache_wrapper) and str(found.__module__).partition(".")[0] in OPAQUE
        written_only = isinstance(found, IOBase) and (found.closed or not found.readable())
        if of_ours or written_only or kind.__module__.partition(".")[0] in OPAQUE:
            return
        for cls, (read, put) in CONTAINERS.items():
            if isinstance(found, cls):
                self._hold(name, partial(read, found), partial(put, found))
                self._waiting += ((each, f"{name}[{at}]") for at, each in enumerate(read(found)))
                break
        else:
            if isinstance(found, _lru_cache_wrapper):
                self._cache(found, name)
            elif built_on is not object and built_on not in CONTENTS and not isinstance(found, UNCHANGING):
                self._unknown(found, name)
        self._attributes(found, name)
        self.follow(kind, kind.__qualname__)

    def _cache(self, found: "_lru_cache_wrapper[Any]", name: str) -> None:
        """A function with a cache: what it remembers. If that has a bound, the order of use counts and is not seen."""
        self.remembers.append(name)
        table = next(each for each in gc.get_referents(found) if type(each) is dict and each is not vars(found))
        told = found.cache_info()

        def put(content: tuple[Any, ...]) -> None:
            if told.maxsize is None:
                put_dict(table, content)
            else:
                found.cache_clear()
            if told.maxsize is not None or "cache_info" in self.mentioned:
                raise Mistake(
                    f"{name} remembers what it gave, and that cannot be put back before another order is tried: use "
                    "functools.cache, which has no bound, and no cache_info; or leave the cache out"
                )

        if told.maxsize is None:
            self._hold(name, partial(read_dict, table), put)
            self._waiting += ((each, f"what {name} remembers") for each in read_dict(table))
        else:
            self._hold(name, lambda: (told,) if found.cache_info() == told else (NOWHERE,), put)

    def _unknown(self, found: Any, name: str) -> None:
        """An object that can be compared at best: should it change, it cannot be put back."""

        def read() -> tuple[Any, ...]:
            return (Freezer(self.known).content(found),)

        def now() -> tuple[Any, ...]:
            with suppress(NotFrozen):
                return kept if read() == kept else (NOWHERE,)
            return (NOWHERE,)

        def put(_: tuple[Any, ...]) -> None:
            raise Mistake(
                f"{name} is a {type(found).__name__} and changes while the scripts run. It lies outside of them and "
                "cannot be put back before another order is tried: make it anew inside the script"
            )

        try:
            kept = read()
        except NotFrozen:
            self.unseen.append(f"{name}, a {type(found).__name__}")
            return
        self._new.append((name, now, put, False))

    def _attributes(self, found: Any, name: str, without: frozenset[str] = frozenset(), plain: bool = False) -> None:
        """The attributes of an object and what they hold."""
        if not attributes_of(found) and not hasattr(found, "__dict__"):
            return
        self._hold(name, partial(read_attributes, found, without), partial(put_attributes, found, without), plain)
        for key, value in attributes_of(found).items():
            if key not in without:
                self._waiting.append((value, f"{name}.{key}"))

    def _function(self, found: FunctionType, name: str) -> None:
        """What a function can reach beside its arguments."""
        self.name(found, name)
        for variable, cell in zip(found.__code__.co_freevars, found.__closure__ or (), strict=True):
            self.follow(cell, f"{variable} of {found.__name__}")
            self._stores = self._stores or variable in bound_by(found.__code__)
        for default in (*(found.__defaults__ or ()), *(found.__kwdefaults__ or {}).values()):
            self.follow(default, f"a default of {found.__name__}")
        if not is_users(found.__module__, found.__code__.co_filename):
            return
        self._hold(found.__name__, partial(read_function, found), partial(put_function, found), not vars(found))
        if id(found.__globals__) not in self.known:  # a module's: what is named of it is held
            self.known[id(found.__globals__)] = f"the globals of {found.__module__}"
            self.scopes.add(id(found.__globals__))
        names, bare, stored = names_of(found.__code__)
        self.mentioned |= set(names)
        self._stores = self._stores or not stored <= self.fields or not REFLECTION.isdisjoint(names)
        modules = [found.__globals__]
        own = [found.__globals__.get(name, sys.modules.get(name)) for name in names]
        if any(isinstance(each, ModuleType) and vars(each) is found.__globals__ for each in own):
            bare = frozenset(names)  # a module that names itself: its globals are attributes, too
        for scope in modules:
            for variable in names if scope is not found.__globals__ else (name for name in names if name in bare):
                value = scope.get(variable, NOWHERE)
                if value is NOWHERE and is_loaded(variable):  # imported inside the function
                    value = sys.modules[variable]
                if isinstance(value, ModuleType) and is_users(value.__name__, getattr(value, "__file__", None)):
                    if vars(value) not in modules:
                        modules.append(vars(value))
                elif value is not NOWHERE or variable in stored:
                    self._binding(scope, variable, value, variable in stored)

    def _binding(self, scope: dict[str, Any], variable: str, value: Any, stored: bool) -> None:
        """A global variable."""
        key = f"{scope.get('__name__')}.{variable}"
        if key not in self._names:
            self._names.add(key)
            still = (type(value) in (*PLAIN, FunctionType, ModuleType) or isinstance(value, type)) and not stored
            self._hold(variable, partial(read_binding, scope, variable), partial(put_binding, scope, variable), still)
            self.follow(value, variable)

    def _class(self, found: type, name: str) -> None:
        """The attributes of a class of the user's, and of those that it builds on."""
        if not is_users(found.__module__, getattr(sys.modules.get(found.__module__), "__file__", None)):
            return
        self.name(found, found.__qualname__)
        still = class_data(found).keys() <= OF_CALLS | {"__doc__"}
        self._hold(found.__qualname__, partial(read_class, found), partial(put_class, found), still)
        for key, value in class_data(found, functions=True).items():
            if key in OF_CALLS and id(value) not in self.known:
                self.name(value, f"{found.__qualname__}.{key}")
            if isinstance(value, property | staticmethod | classmethod):
                inside = [value.fget, value.fset, value.fdel] if isinstance(value, property) else [value.__func__]
                self._waiting += ((each, f"{found.__qualname__}.{key}") for each in inside)
            else:
                self.follow(value, f"{found.__qualname__}.{key}")
        self._waiting += ((base, base.__qualname__) for base in (type(found), *found.__bases__))

    def _hold(
        self,
        name: str,
        read: Callable[[], tuple[Any, ...]],
        put: Callable[[tuple[Any, ...]], object],
        plain: bool = False,
    ) -> None:
        self._new.append((name, read, put, plain))


FOLLOWED: dict[type, Callable[[Any], Iterable[tuple[str, Any]]]] = {
    MethodType: lambda found: (("", found.__func__), ("", found.__self__)),
    MethodWrapperType: lambda found: (("", found.__self__),),
    BuiltinFunctionType: lambda found: () if is_free(found) else (("", found.__self__),),
    memoryview: lambda found: (("", found.obj),),
    **dict.fromkeys((MappingProxyType, *DICT_VIEWS), lambda found: [("", each) for each in gc.get_referents(found)]),
    partial: lambda found: (
        ("", found.func),
        ("", found.args),
        *[("", each) for each in (found.keywords, vars(found)) if each],
    ),
}
"""What leads on and does not change itself, and to what."""


@cache
def is_users(module: str | None, file: str | None) -> bool:
    """Whether a module is a user's own: neither ours, nor Python's, nor one that was installed."""
    top = (module or "").partition(".")[0]
    return top not in (*OPAQUE, "builtins") and top not in sys.stdlib_module_names and "-packages" not in (file or "")


def is_loaded(module: str) -> bool:
    """Whether there is a module of a user's own by this name."""
    return module in sys.modules and is_users(module, getattr(sys.modules[module], "__file__", None))


@cache
def names_of(code: CodeType) -> tuple[list[str], frozenset[str], frozenset[str]]:
    """The names of globals and attributes in a piece of code and what is inside it.

    All of them; those that are not of attributes alone; and those that it may bind.
    """
    names, bare, stored = dict.fromkeys(code.co_names), set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opcode in dis.hasname and not instruction.opname.endswith(("_ATTR", "_METHOD")):
            bare.add(str(instruction.argval))
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME", "STORE_ATTR", "DELETE_ATTR"):
            stored.add(str(instruction.argval))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inside, alone, bound = names_of(constant)
            names |= dict.fromkeys(inside)
            bare |= alone
            stored |= bound
    return list(names), frozenset(bare), frozenset(stored)


@cache
def bound_by(code: CodeType) -> frozenset[str]:
    """The variables of other functions that a piece of code, or what is inside it, may bind."""
    found = {str(each.argval) for each in dis.get_instructions(code) if each.opname in ("STORE_DEREF", "DELETE_DEREF")}
    return frozenset(found).union(*(bound_by(each) for each in code.co_consts if isinstance(each, CodeType)))


def cell_content(cell: CellType) -> tuple[Any, ...]:
    """What a variable that functions share holds, nothing if it is not bound."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def set_cell(cell: CellType, content: tuple[Any, ...]) -> None:
    """Bind it, or unbind it."""
    if content:
        cell.cell_contents = content[0]
    else:
        del cell.cell_contents


def read_binding(scope: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """The value of a global."""
    return (scope.get(name, NOWHERE),)


def put_binding(scope: dict[str, Any], name: str, content: tuple[Any, ...]) -> None:
    """Bind a global, or unbind it."""
    if content[0] is NOWHERE:
        scope.pop(name, None)
    else:
        scope[name] = content[0]


def read_attributes(found: Any, without: frozenset[str]) -> tuple[Any, ...]:
    """The names and values of an object's attributes, its class among them where it is no machine's."""
    held = attributes_of(found) if without else {**attributes_of(found), "__class__": type(found)}
    names = sorted(held.keys() - without) if without else sorted(held)
    return *names, *(held[name] for name in names)


def read_context(found: "ContextVar[Any]") -> tuple[Any, ...]:
    """The value of a context variable."""
    return (found.get(NOWHERE),)


def put_context(found: "ContextVar[Any]", content: tuple[Any, ...]) -> None:
    """Set a context variable. `Mistake` if it had no value: nobody could take that away again."""
    if content[0] is NOWHERE:
        raise Mistake(f"{found.name} is a ContextVar that was given its first value by a script: give it one before")
    found.set(content[0])


def put_attributes(found: Any, without: frozenset[str], content: tuple[Any, ...]) -> None:
    """Give an object these attributes and no other."""
    middle = len(content) // 2
    wanted = dict(zip(content[:middle], content[middle:], strict=True))
    kind: Any = wanted.pop("__class__", type(found))
    if kind is not type(found):
        object.__setattr__(found, "__class__", kind)
    plain = layout_of(kind) is object or isinstance(found, tuple(CONTENTS))
    delete, assign = (object.__delattr__, object.__setattr__) if plain else (delattr, setattr)
    slots = slots_of(kind)
    for name in attributes_of(found).keys() - wanted.keys() - without:
        slots[name].__delete__(found) if name in slots else delete(found, name)
    for name, value in wanted.items():
        slots[name].__set__(found, value) if name in slots else assign(found, name, value)


def read_function(found: FunctionType) -> tuple[Any, ...]:
    """All that can be assigned to a function."""
    named = {**(found.__kwdefaults__ or {}), **vars(found)}
    told = found.__code__, found.__defaults__, found.__name__, found.__qualname__, found.__doc__
    return *told, found.__kwdefaults__, len(found.__kwdefaults__ or {}), *named, *named.values()


def put_function(found: FunctionType, content: tuple[Any, ...]) -> None:
    """Give a function back what it had."""
    *told, given, number = content[:7]
    found.__code__, found.__defaults__, found.__name__, found.__qualname__, found.__doc__ = told
    named, middle = content[7:], (len(content) - 7) // 2
    pairs = list(zip(named[:middle], named[middle:], strict=True))
    if given is not None:
        put_dict(given, (*named[:number], *named[middle : middle + number]))
    found.__kwdefaults__ = given
    vars(found).clear()
    vars(found).update(pairs[number:])


def read_class(found: type) -> tuple[Any, ...]:
    """The names and values of a class's attributes, methods and all."""
    held = class_data(found, functions=True)
    names = sorted(held)
    return *names, *(held[name] for name in names)


def put_class(found: type, content: tuple[Any, ...]) -> None:
    """Give a class these attributes and no other."""
    middle = len(content) // 2
    wanted = dict(zip(content[:middle], content[middle:], strict=True))
    now = class_data(found, functions=True)
    for name in now.keys() - wanted.keys():
        delattr(found, name)
    for name, value in wanted.items():
        if now.get(name, NOWHERE) is not value:
            setattr(found, name, value)


def read_dict(found: dict[Any, Any]) -> tuple[Any, ...]:
    """The keys and values of a dict."""
    return *dict.keys(found), *dict.values(found)


def put_dict(found: dict[Any, Any], content: tuple[Any, ...]) -> None:
    """Give a dict these keys and values."""
    middle = len(content) // 2
    dict.clear(found)
    dict.update(found, zip(content[:middle], content[middle:], strict=True))


def put_list(found: list[Any], content: tuple[Any, ...]) -> None:
    """Give a list these items."""
    list.__setitem__(found, slice(None), content)


def put_set(found: set[Any], content: tuple[Any, ...]) -> None:
    """Give a set these items."""
    set.clear(found)
    set.update(found, content)


def put_deque(found: deque[Any], content: tuple[Any, ...]) -> None:
    """Give a deque these items."""
    deque.clear(found)
    deque.extend(found, content)


def put_lock(found: LockType, content: tuple[Any, ...]) -> None:
    """Lock or unlock a lock of Python's."""
    if found.locked() != content[0]:
        found.acquire(False) if content[0] else found.release()


def read_rlock(found: Any) -> tuple[Any, ...]:
    """How often a lock of Python's is held, which it tells nowhere else."""
    return (int(repr(found).partition("count=")[2].split()[0]),)


def put_rlock(found: Any, content: tuple[Any, ...]) -> None:
    """Hold it as often."""
    more = content[0] - read_rlock(found)[0]
    for _ in range(abs(more)):
        found.acquire(False) if more > 0 else found.release()


def put_bytes(found: Any, content: tuple[Any, ...]) -> None:
    """Give a bytearray or an array these items."""
    found[:] = type(found)(content[0]) if isinstance(found, bytearray) else type(found)(found.typecode, content[0])


CONTAINERS: dict[type, tuple[Callable[[Any], tuple[Any, ...]], Callable[[Any, tuple[Any, ...]], None]]] = {
    dict: (read_dict, put_dict),
    list: (tuple, put_list),
    set: (tuple, put_set),
    deque: (tuple, put_deque),
    bytearray: (lambda found: (bytes(found),), put_bytes),
    array: (lambda found: (found.tobytes(),), put_bytes),
    LockType: (lambda found: (found.locked(),), put_lock),
    RLock: (read_rlock, put_rlock),
}
"""How what a container or a lock holds is read and put back."""
