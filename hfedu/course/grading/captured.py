"""An answer on its way from the process that ran a notebook to the one that judges it.

What arrives is data, and the places of definitions in the notebook: the judge reads their source itself, in its own
copy of the notebook. So no answer can be anything that does not stand there for everybody to see.

As JSON an answer is {"answer": VALUE, "globals": {NAME: VALUE}, "made": [THING, ...]}. A VALUE is {"v": plain}, with
{"made": N} for a thing that others may share, {"of": [MODULE, NAME]}, {"module": NAME}, {"asset": NAME}, or
{"lost": WHAT}. A THING is a definition's place, or a container such as {"list": [VALUE, ...]}.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import hfedu
from hfedu.course.grading.gate import ANSWER_MODULE, Barred, facade, gated, guarded_builtins, of_module
from hfedu.errors import Mistake
from hfedu.files import asset

THINGS_AT_MOST = 20_000
DEEPEST_VALUE = 40
CONTAINER_TYPES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
Definition = ast.FunctionDef | ast.Lambda | ast.ClassDef


class Unsourced(Exception):
    """An answer needs something that exists only while its notebook runs; the text says what."""


def cell_name(number: int) -> str:
    """The file name that code of a cell has."""
    return f"<cell {number}>"


def cell_number(file: str) -> int | None:
    """The cell of a file name; None if it is another file's."""
    inner = file.removeprefix("<cell ").removesuffix(">")
    return int(inner) if file == f"<cell {inner}>" and inner.isdecimal() else None


class Packer:
    """Makes JSON of one answer, in the process of the notebook. `names` are the notebook's global names."""

    def __init__(self, cells: Sequence[str], names: dict[str, Any]) -> None:
        self.cells, self.names = cells, names
        self.globals: dict[str, Any] = {}
        self.made: list[dict[str, Any]] = []
        self.known: dict[int, tuple[int, Any]] = {}

    def packed(self, answer: Any) -> dict[str, Any]:
        """An answer with all that it refers to."""
        return {"answer": self.value(answer), "globals": self.globals, "made": self.made}

    def value(self, value: Any, depth: int = 0) -> dict[str, Any]:
        """One value, by its own type and no class of the learner's."""
        kind = type(value)
        if depth > DEEPEST_VALUE or len(self.made) > THINGS_AT_MOST:
            return {"lost": "something nested too deeply"}
        if value is None or value is ... or kind in (bool, float, str):
            return {"v": "..." if value is ... else value, **({"ellipsis": 1} if value is ... else {})}
        if kind is int:
            return {"int": hex(value)}
        if kind is bytes or kind is bytearray:
            return {kind.__name__: value.hex()}
        if kind in CONTAINER_TYPES.values() or kind is dict:
            return self.shared(value, partial(self.contents, value, depth))
        if isinstance(value, ModuleType):
            return {"module": value.__name__}
        if isinstance(value, Path):
            return packed_path(value)
        home, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(home, str) and isinstance(name, str) and getattr(sys.modules.get(home), name, None) is value:
            return {"of": [home, name]}
        if isinstance(value, FunctionType):
            return self.shared(value, partial(self.function, value, depth))
        if isinstance(value, type):
            return self.shared(value, partial(self.class_, value, depth))
        return {"lost": f"a {kind.__name__}"}

    def shared(self, value: Any, make: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """A thing that others may refer to as well."""
        if id(value) not in self.known:
            self.known[id(value)] = len(self.made), value
            self.made.append({})
            make(self.made[-1])
        return {"made": self.known[id(value)][0]}

    def contents(self, value: Any, depth: int, thing: dict[str, Any]) -> None:
        """A container and what is in it."""
        if isinstance(value, dict):
            thing["dict"] = [[self.value(key, depth + 1), self.value(each, depth + 1)] for key, each in value.items()]
        else:
            thing[type(value).__name__] = [self.value(each, depth + 1) for each in value]

    def function(self, value: FunctionType, depth: int, thing: dict[str, Any]) -> None:
        """Where a function is defined, and what the names in it mean."""
        code = value.__code__
        number = cell_number(code.co_filename)
        thing["cell"], thing["line"], thing["name"] = number, code.co_firstlineno, value.__name__
        if value.__name__ == "<lambda>":
            thing["column"] = min((at[2] for at in code.co_positions() if at[2] and at[0] == at[1]), default=0)
        cells = value.__closure__ or ()
        free = dict(zip(code.co_freevars, (cell.cell_contents for cell in cells), strict=True))
        self.meanings(thing, free, depth)

    def class_(self, value: type, depth: int, thing: dict[str, Any]) -> None:
        """Where a class is defined: at its methods, or where its name last is."""
        codes = [each.__code__ for each in vars(value).values() if isinstance(each, FunctionType)]
        places = [
            (number, code.co_firstlineno) for code in codes if (number := cell_number(code.co_filename)) is not None
        ]
        number, line = min(places, default=(None, 0))
        if number is None:
            holding = [at for at, text in enumerate(self.cells) if f"class {value.__name__}" in text]
            number = holding[-1] if holding else None
        thing["cell"], thing["within"], thing["name"], thing["class"] = number, line, value.__name__, True
        self.meanings(thing, {}, depth)

    def meanings(self, thing: dict[str, Any], free: dict[str, Any], depth: int) -> None:
        """What the names in a definition refer to: names of functions around it, and of the notebook."""
        thing["free"] = {}
        node = definition(self.cells, thing)
        used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node is not None else set()
        used |= {name for each in ast.walk(node or ast.Pass()) if isinstance(each, ast.Global) for name in each.names}
        for name in sorted(used):
            if name in free:
                thing["free"][name] = self.value(free[name], depth + 1)
            elif name in self.names and name not in self.globals:
                self.globals[name] = {"lost": name}  # while its own meaning is looked for
                self.globals[name] = self.value(self.names[name], depth + 1)


def packed_path(path: Path) -> dict[str, Any]:
    """A path, if it is that of a file that comes with hfedu."""
    try:
        return {"asset": path.name} if asset(path.name) == path else {"lost": f"the file {path.name}"}
    except Mistake:
        return {"lost": f"the file {path.name}"}


def definition(cells: Sequence[str], thing: dict[str, Any]) -> Definition | None:
    """The definition at a place in the notebook; None if there is none."""
    number = thing.get("cell")
    if not isinstance(number, int) or not 0 <= number < len(cells):
        return None
    try:
        nodes = list(ast.walk(ast.parse(cells[number])))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    name = thing.get("name")
    if thing.get("class"):
        classes = [node for node in nodes if isinstance(node, ast.ClassDef) and node.name == name]
        line = thing.get("within")
        around = [node for node in classes if not line or node.lineno <= line <= (node.end_lineno or 0)]
        return around[-1] if around else None
    if name == "<lambda>":
        lambdas = [node for node in nodes if isinstance(node, ast.Lambda) and node.lineno == thing.get("line")]
        here = [node for node in lambdas if node.body.col_offset <= thing.get("column", 0)]
        inner = [node for node in here if thing.get("column", 0) < (node.end_col_offset or 0)] or here or lambdas
        return min(inner, key=lambda node: (node.end_col_offset or 0) - node.col_offset, default=None)
    return next(
        (node for node in functions(nodes) if first_line(node) == thing.get("line") and node.name == name), None
    )


def functions(nodes: Sequence[ast.AST]) -> Iterator[ast.FunctionDef]:
    """The functions among some nodes."""
    return (node for node in nodes if isinstance(node, ast.FunctionDef))


def first_line(node: ast.FunctionDef) -> int:
    """The line that a function's code begins with: its first decorator's."""
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


class Unpacked(NamedTuple):
    """An answer as the judge gets it, and the source of the definitions it is made of."""

    answer: Any
    text: str
    lost: list[str]


class Unpacker:
    """Makes an answer of its JSON and the notebook's cells, in the process that judges it."""

    def __init__(self, cells: Sequence[str], packed: dict[str, Any]) -> None:
        self.cells, self.packed = cells, packed
        self.things: list[dict[str, Any]] = packed["made"]
        self.made: dict[int, Any] = {}
        self.begun: set[int] = set()
        self.texts: list[str] = []
        self.lost: list[str] = []
        self.names: dict[str, Any] = {"__builtins__": guarded_builtins(), "__name__": ANSWER_MODULE}
        self.waiting: set[str] = set(packed["globals"])

    def unpacked(self) -> Unpacked:
        """The answer. `Barred` or `Unsourced` if it cannot be judged."""
        for name in list(self.packed["globals"]):
            self.need(name)
        answer = self.value(self.packed["answer"])
        return Unpacked(answer, "\n\n".join(self.texts), self.lost)

    def need(self, name: str) -> None:
        """Give a global name its meaning, once. What cannot be had is no longer defined, and noted."""
        if name not in self.waiting:
            return
        self.waiting.discard(name)
        try:
            self.names[name] = self.value(self.packed["globals"][name])
        except Unsourced as lost:
            self.lost.append(f"{name} ({lost})" if str(lost) != name else name)

    def value(self, value: dict[str, Any]) -> Any:
        """One value."""
        ((kind, held), *more) = value.items()
        if kind == "v":
            return ... if more else held
        if kind == "int":
            return int(held, 16)
        if kind in ("bytes", "bytearray"):
            return bytes.fromhex(held) if kind == "bytes" else bytearray.fromhex(held)
        if kind == "made":
            return self.thing(held)
        if kind == "asset":
            return asset(held)
        if kind == "module":
            return facade(held)
        if kind == "of":
            module, name = held
            if module.startswith("hfedu.") and name in hfedu.__all__ and name in vars(facade("hfedu")):
                return getattr(facade("hfedu"), name)
            return (
                of_module("builtins" if module == "builtins" else module, name)
                if module != "builtins"
                else builtin_of(name)
            )
        raise Unsourced(str(held))

    def thing(self, number: int) -> Any:
        """A container or a definition, made once."""
        if number in self.made:
            return self.made[number]
        if number in self.begun:
            raise Unsourced("something that contains itself")
        self.begun.add(number)
        thing = self.things[number]
        if "cell" in thing:
            self.made[number] = self.defined(thing)
            return self.made[number]
        ((kind, held),) = thing.items()
        if kind == "dict":
            self.made[number] = {self.value(key): self.value(each) for key, each in held}
        else:
            self.made[number] = CONTAINER_TYPES[kind](map(self.value, held))
        return self.made[number]

    def defined(self, thing: dict[str, Any]) -> Any:
        """A function or class, made of its source in the notebook, inside a function that holds its free names."""
        node = definition(self.cells, thing)
        if node is None:
            raise Unsourced(f"{thing.get('name')}, which is not defined in any cell")
        self.texts.append(ast.get_source_segment(self.cells[thing["cell"]], node) or "")
        free = {name: self.value(each) for name, each in thing["free"].items()}
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and each.id in self.waiting and at_definition(node, each):
                self.need(each.id)
        body: list[ast.stmt] = [ast.Return(node)] if isinstance(node, ast.Lambda) else [node]
        if not isinstance(node, ast.Lambda):
            body.append(ast.Return(ast.Name(node.name, ast.Load())))
        arguments = ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, [])
        maker = ast.FunctionDef("_maker", arguments, body, [], None, None)
        exec(gated(maker), self.names)
        return self.names.pop("_maker")(**free)


def builtin_of(name: str) -> Any:
    """A built-in function or type that an answer refers to."""
    names = guarded_builtins()
    if name not in names:
        raise Barred(name)
    return names[name]


def at_definition(node: Definition, name: ast.Name) -> bool:
    """Whether a name is looked up when a definition is made, not when it is used."""
    if isinstance(node, ast.ClassDef):
        return True
    early = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    early += node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(each is name for part in early for each in ast.walk(part))
