"""What the Python of an answer may use while it is judged: the language, and names that lead nowhere else.

An answer runs in the process that judges it, for a guest has to run for its behaviour to be seen. So before it runs its
source is read: what could reach the judge (frames, module internals, double underscores, files) is refused, and a
person has to look. An honest answer to an exercise needs none of it.
"""

import ast
import builtins
from importlib import import_module
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import hfedu

ANSWER_MODULE = "answer"
"""The module that an answer believes to be in."""
BARE = set(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float "
    "format frozenset hash hex id int isinstance issubclass iter len list map max min next object oct ord pow print "
    "property range repr reversed round set slice sorted staticmethod str sum super tuple zip NotImplemented "
    "__build_class__".split()
)
"""The built-in functions and types that an answer may use; it may use all exceptions."""
HFEDU_NAMES = {
    *("Actor", "Event", "Kind", "Message", "Mistake", "Outcome", "RamDisk", "Secondary", "assemble", "boot", "clear"),
    *("compile_c", "configure", "cpu_on", "hvc", "hypercall", "hypercalls", "load", "meet", "power_off", "print_line"),
    *("receive", "send", "smc", "store", "vcpu_count", "vcpu_run", "vm_count", "wait_for_interrupt", "Scenario"),
}
"""What it may use of hfedu's public names: what guests and hypervisors are made of."""
HFEDU_MODULES = (
    *("hfedu.hf.", "hfedu.guest.ffa", "hfedu.guest.rpc", "hfedu.guest.scripted", "hfedu.guest.syndrome"),
    *("hfedu.history.abi", "hfedu.history.ffa", "hfedu.run.kinds"),
)
STANDARD = {
    "collections": "Counter OrderedDict defaultdict deque namedtuple",
    "collections.abc": "Callable Generator Iterable Iterator Mapping Sequence",
    "dataclasses": "dataclass field",
    "enum": "Enum Flag IntEnum IntFlag auto",
    "functools": "cache lru_cache partial reduce",
    "itertools": "accumulate chain combinations count cycle dropwhile groupby islice pairwise permutations product "
    "repeat starmap takewhile zip_longest",
    "math": "ceil floor gcd inf isqrt lcm log2 prod sqrt",
    "random": "Random choice choices randint random randrange sample shuffle seed",
    "re": "compile findall finditer fullmatch match search split sub",
    "struct": "Struct calcsize error pack pack_into unpack unpack_from",
    "typing": "Any Callable Generator Iterable Iterator Literal NamedTuple Optional Sequence Union",
}
"""What it may use of the standard library."""
INNER = {
    *("gi_frame", "gi_code", "gi_yieldfrom", "cr_frame", "cr_code", "cr_await", "cr_origin", "ag_frame", "ag_code"),
    *("ag_await", "f_back", "f_builtins", "f_code", "f_globals", "f_locals", "tb_frame", "tb_next", "mro"),
}
"""Attributes that lead from an object to how Python runs it."""
DEFINED = {"__init__", "__post_init__", "__slots__", "__repr__", "__str__", "__doc__"}
"""Names with double underscores that an answer may use; others change what an operator does."""


class Barred(Exception):
    """An answer uses something with which no answer is judged; the text names it."""


def allowed_name(name: str) -> bool:
    """Whether an attribute or a variable may have this name."""
    return name not in INNER and not name.startswith("co_") and (not name.startswith("__") or name in DEFINED)


class Reader(ast.NodeTransformer):
    """Reads the source of an answer, raises `Barred`, and asks before each assignment to an attribute whose it is."""

    def refuse(self, name: str | None) -> None:
        """`Barred` for a name that is not allowed."""
        if name is not None and not allowed_name(name):
            raise Barred(name)

    def visit(self, node: ast.AST) -> Any:
        """One node. Every name that it holds as a text is a name, whatever the node is."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.read_import(node)
        elif not isinstance(node, ast.Constant):
            for field, value in ast.iter_fields(node):
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, str) and field != "type_comment":
                        self.refuse(each)
        node = self.generic_visit(node)
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            asked = ast.Call(ast.Name("own_object", ast.Load()), [node.value], [])
            node.value = ast.copy_location(asked, node.value)
        return node

    def read_import(self, node: ast.Import | ast.ImportFrom) -> None:
        """`Barred` for an import of what an answer may not use."""
        if isinstance(node, ast.ImportFrom) and not node.level:
            for each in node.names:
                of_module(node.module or "", each.name)
        for each in node.names:
            facade(each.name if isinstance(node, ast.Import) else node.module or "")


def facade(name: str) -> SimpleNamespace:
    """A module as an answer sees it: what it may use, and no way to the module. `Barred` if it is none of these."""
    if name == "hfedu":
        return SimpleNamespace(**{each: getattr(hfedu, each) for each in sorted(HFEDU_NAMES)})
    if name.startswith(HFEDU_MODULES):
        module = import_module(name)
        mine = {each: value for each, value in vars(module).items() if not each.startswith("_")}
        return SimpleNamespace(**{each: value for each, value in mine.items() if belongs(value, name)})
    if name not in STANDARD:
        raise Barred(f"import {name}")
    module = import_module(name)
    return SimpleNamespace(**{each: getattr(module, each) for each in STANDARD[name].split()})


def belongs(value: Any, module: str) -> bool:
    """Whether a value of a module may be handed on: no module, and nothing of other rooms."""
    home = getattr(value, "__module__", module)
    return not isinstance(value, ModuleType) and isinstance(home, str) and (home == module or allowed_home(home))


def allowed_home(module: str) -> bool:
    """Whether functions and classes of a module may be used."""
    return module in STANDARD or module.startswith(HFEDU_MODULES)


def of_module(module: str, name: str) -> Any:
    """What an answer gets for `from module import name`. `Barred` if it may not use that."""
    found = facade(module)
    if not hasattr(found, name):
        raise Barred(f"from {module} import {name}")
    return getattr(found, name)


def guarded_import(name: str, names: Any = None, local: Any = None, wanted: Any = (), level: int = 0) -> Any:
    """What `import` does in an answer."""
    if level or not isinstance(name, str):
        raise Barred("import")
    if wanted:
        return facade(name)
    outer, *inner = name.split(".")
    top = facade(name) if not inner or outer not in STANDARD else facade(outer)
    if inner:
        found: Any = facade(name)
        for part in reversed(inner):
            found = SimpleNamespace(**{part: found})
        top = found
    return top


def own_object(value: Any) -> Any:
    """Whose attribute an answer wants to set. `Barred` if others use it too: a module, a function, a class of hfedu."""
    foreign = isinstance(value, type) and value.__module__ != ANSWER_MODULE
    if foreign or isinstance(value, ModuleType | FunctionType | MethodType | CodeType):
        raise Barred(f"setting an attribute of {getattr(value, '__name__', 'code')}")
    return value


def guarded_getattr(value: Any, name: str, *default: Any) -> Any:
    """`getattr` in an answer."""
    if type(name) is not str or not allowed_name(name):
        raise Barred(str(name))
    return getattr(value, name, *default)


def guarded_hasattr(value: Any, name: str) -> bool:
    """`hasattr` in an answer."""
    if type(name) is not str or not allowed_name(name):
        raise Barred(str(name))
    return hasattr(value, name)


def guarded_setattr(value: Any, name: str, new: Any) -> None:
    """`setattr` in an answer."""
    if type(name) is not str or not allowed_name(name):
        raise Barred(str(name))
    setattr(own_object(value), name, new)


def kind_of_object(value: Any, *more: Any) -> type:
    """`type` in an answer: it names, and makes nothing."""
    if more:
        raise Barred("type of three arguments")
    return type(value)


def guarded_builtins() -> dict[str, Any]:
    """The built-in names of an answer."""
    exceptions = {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    own = {"__import__": guarded_import, "getattr": guarded_getattr, "hasattr": guarded_hasattr}
    own |= {"setattr": guarded_setattr, "type": kind_of_object, "own_object": own_object}
    return {name: getattr(builtins, name) for name in BARE} | exceptions | own


def gated(node: ast.stmt) -> CodeType:
    """A definition, compiled for a judge. `Barred` if it uses what it may not."""
    tree = ast.Module([Reader().visit(node)], [])
    return compile(ast.fix_missing_locations(tree), f"<{ANSWER_MODULE}>", "exec", dont_inherit=True)
