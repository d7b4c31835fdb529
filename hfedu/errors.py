"""What hfedu says when the user made a mistake: one sentence, and in a notebook no traceback."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import wraps
from importlib.util import find_spec
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
LONGEST_SENTENCE = 2000
"""Characters of a sentence; of a longer one, which quotes what somebody gave, the middle is left out."""


def printable(text: str) -> str:
    """A text that every terminal, picture and page can show: a question mark for each control character."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


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


def plainly(function: Callable[P, T]) -> Callable[P, T]:
    """A public function that answers a call which does not fit it with a `Mistake`, and the nearest right name."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except TypeError:
            wrong = misfit(function.__qualname__, signature, args, options)
            if wrong is None:
                raise
        raise Mistake(wrong)

    return call


def plainly_made(kind: type[T]) -> type[T]:
    """A class of the like, such as a dataclass."""
    setattr(kind, "__init__", plainly(vars(kind)["__init__"]))  # noqa: B010 - the type checker forbids it otherwise
    return kind


def misfit(name: str, signature: inspect.Signature, args: tuple[Any, ...], options: dict[str, Any]) -> str | None:
    """Why a call does not fit a function, in a sentence; None if it does."""
    name = name.removesuffix(".__init__").rpartition(".")[2]
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        known = [parameter.name for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
        unknown = next((option for option in options if option not in known), None)
        if unknown is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            return f"{name} takes {', '.join(known) or 'nothing'}, and this call does not fit: {error}"
        near = nearest(unknown, known) or f": it has {', '.join(known) or 'none'}"
        return f"{name} has no option {unknown!r}{near}"
    return None


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
