"""What hfedu says when the user made a mistake: one sentence, and in a notebook no traceback."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import wraps
from importlib.util import find_spec
from os import PathLike
from types import FunctionType, NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")
LONGEST_SENTENCE = 2000
"""Characters of a sentence; of a longer one, which quotes what somebody gave, the middle is left out."""


def printable(text: str) -> str:
    """A text that every terminal, picture and page can show: a question mark for each control character."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def printable_lines(text: str) -> str:
    """A text of several lines, each `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def counted(number: int, noun: str) -> str:
    """A number with its noun, whose plural ends in s or, after an x, in es. Example: 2, "step" -> "2 steps"."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('x') else 's'}"


class Mistake(ValueError):
    """A mistake of the user's; the text says what is wrong and what to do. Base of all such errors."""

    def __str__(self) -> str:
        text = printable(super().__str__())
        half = LONGEST_SENTENCE // 2
        return text if len(text) <= LONGEST_SENTENCE else f"{text[:half]} … {text[-half:]}"

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class Trouble(Mistake):
    """Trouble of this computer, such as a full disk, and no mistake in what the user wrote: it cannot be judged."""


PACKAGES = {
    "unicorn": ("unicorn", "A measurement needs the emulator unicorn"),
    "capstone": ("capstone", "Machine code in words needs the disassembler capstone"),
    "matplotlib": ("'hfedu[pictures]'", "A PNG or a PDF (not an SVG) needs matplotlib"),
    "ipywidgets": ("ipywidgets", "A player or a form needs ipywidgets"),
    "anywidget": ("anywidget", "A player or a form needs anywidget"),
    "elftools": ("pyelftools", "The lines of a compiled guest need pyelftools"),
    "ziglang": ("'hfedu[compile]'", "C needs a compiler: clang with lld, a gcc for AArch64, or Zig's"),
    "jupyterlab": ("'hfedu[lab]'", "The lessons need JupyterLab"),
}
"""What hfedu can do without, by module: what pip calls it, and what needs it."""
NOT_IN_A_BROWSER = ("unicorn", "capstone", "ziglang", "jupyterlab")
"""Those of them that WebAssembly has no build of."""


def installed(module: str) -> bool:
    """Whether one of `PACKAGES` is there."""
    return find_spec(module) is not None


def widgets_installed() -> bool:
    """Whether all is there that a player or a form needs."""
    return installed("anywidget") and installed("ipywidgets")


@contextmanager
def needing(module: str) -> Iterator[None]:
    """Around the import of one of `PACKAGES`: `Trouble` says what needs it and how to get it."""
    try:
        yield
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError):
            raise lacking(module, str(error)) from None
        missing = str(error.name).partition(".")[0]
        if missing not in PACKAGES:
            raise
        raise lacking(missing) from None


def lacking(module: str, why: str = "") -> Trouble:
    """What to say where one of `PACKAGES` is missing."""
    package, what = PACKAGES[module]
    if why:
        return Trouble(f"{what}; {package} is there, but cannot be loaded ({why}): install it anew, or another version")
    if sys.platform == "emscripten" and module in NOT_IN_A_BROWSER:
        return Trouble(f"{what}, which no browser has: open this lesson on Binder, or install hfedu on a computer")
    return Trouble(f"{what}, which is not installed here: pip install {package}")


def nearest(name: object, known: Iterable[str]) -> str:
    """What a misspelt name may have meant, as the end of a sentence; nothing if no known name is near."""
    close = get_close_matches(str(name)[:100], list(known), 1)
    return f", did you mean {close[0]!r}?" if close else ""


def plainly(thing: T) -> T:
    """A public function that answers a call which does not fit it with a `Mistake`, and the nearest right name.

    Of a class its public methods, and how it is made, do so from now on.
    """
    if isinstance(thing, FunctionType):
        return _checked(thing, thing.__name__, 0)  # type: ignore[return-value]
    for name, part in [*vars(thing).items()]:
        made = name in ("__init__", "__new__")
        inner = part.__func__ if isinstance(part, staticmethod | classmethod) else part
        if isinstance(inner, FunctionType) and (made or not name.startswith("_")):
            called = thing.__name__ if made else name  # type: ignore[attr-defined]
            checked = _checked(inner, called, made or not isinstance(part, staticmethod))
            setattr(thing, name, checked if inner is part else type(part)(checked))
    return thing


def _checked(function: FunctionType, name: str, bound: int) -> Callable[..., Any]:
    """A function that is called `name`, and has so many arguments that nobody writes: `self` or none."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except Mistake as mistake:
            wrong = misnamed(function, name, options, str(mistake))
            if wrong is None:
                raise
        except Exception:
            wrong = misfit(function, name, bound, args, options)
            if wrong is None:
                raise
        raise Mistake(wrong)

    return call


def misfit(
    function: Callable[..., Any], name: str, bound: int, args: tuple[Any, ...], options: dict[str, Any]
) -> str | None:
    """Why a call does not fit a function, in a sentence; None if it does."""
    signature = inspect.signature(function)
    own = [*signature.parameters.values()][bound:]
    try:
        given = signature.bind(*args, **options).arguments
    except TypeError as error:
        known = [parameter.name for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
        unknown = next((option for option in options if option not in known), None)
        if unknown is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            return f"{name} takes {', '.join(known) or 'nothing'}, and this call does not fit: {error}"
        return no_option(name, unknown, known)
    for each in own:
        value, several = given.get(each.name), each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        if each.name in given and not several and not fits(value, each.annotation):
            return f"{name} takes {asked_for(each.annotation)} as {each.name}, not {quoted(value)}"
        if not is_sayable(value):
            return f"{name} cannot take {quoted(value)} as {each.name}"
    return None


def misnamed(function: Callable[..., Any], name: str, options: dict[str, Any], said: str) -> str | None:
    """Which option of a function that hands on what it does not know is misspelt, if what was `said` is about one."""
    parameters = inspect.signature(function).parameters.values()
    known = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    for option in options:
        unknown = option in said and ("no option" in said or "is nothing" in said) and "did you mean" not in said
        if option not in known and unknown and nearest(option, known):
            return no_option(name, option, known)
    return None


def no_option(name: str, option: str, known: list[str]) -> str:
    """What to say of an option that something does not have."""
    near = nearest(option, known) or f": it has {', '.join(known) or 'none'}"
    return f"{name} has no option {option!r}{near}"


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that an annotation says; with the items of what can be gone through again.

    True for what cannot be told, such as an annotation that is a text.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if origin is type:
        return isinstance(value, type)
    if isinstance(origin, type):
        items = value if inner and isinstance(value, list | tuple | set | frozenset | dict | str | bytes) else ()
        return isinstance(value, origin) and all(fits(item, inner[0]) for item in items)
    if hint is None:
        return value is None
    if not isinstance(hint, type) or hint in (Any, inspect.Parameter.empty):
        return True
    return isinstance(value, int | float if hint is float else hint)


def asked_for(hint: Any) -> str:
    """What an annotation asks for, in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(asked_for, inner)))
    kind = NoneType if hint is None else origin or hint
    named: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bytes: "bytes",
        bool: "True or False",
    }
    named |= {NoneType: "None", type: "a class", PathLike: "a path", get_origin(Callable[[], None]): "a function"}
    if kind in named:
        return named[kind]
    if inner and issubclass(kind, Iterable):
        return f"a list, each {asked_for(inner[0])}"
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def is_sayable(value: Any) -> bool:
    """Whether a value can say what it is, as a number of too many digits cannot."""
    try:
        return bool(repr(value))
    except Exception:
        return False


def quoted(value: Any) -> str:
    """A value that somebody gave, even if it cannot say what it is."""
    return repr(value) if is_sayable(value) else f"what cannot be printed, of the class {type(value).__name__},"


def missing_name(name: str, known: Iterable[str]) -> str:
    """What to do about a name that is not there: import it if it is `known`, else run the cells above."""
    if name in known:
        return f"{name!r} is not imported: from hfedu import {name}"
    return f"{name!r} is not there yet: run the cells above first (Run > Run All Above Selected Cell)."


def explain_missing_names(shell: Any, known: Iterable[str] = ()) -> None:
    """In a notebook, answer a name that is not there yet with a sentence, as `missing_name`."""

    def handler(
        shell: Any, kind: type[NameError], error: NameError, traceback: Any, tb_offset: int | None = None
    ) -> Any:
        if error.name is None or traceback.tb_next is None or traceback.tb_next.tb_next is not None:
            return shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
        sentence = missing_name(error.name, known)
        error._render_traceback_ = lambda: [f"NameError: {sentence}"]  # type: ignore[attr-defined]
        return shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)

    shell.set_custom_exc((NameError,), handler)
