"""What hfedu says when the user made a mistake: one sentence, and in a notebook no traceback."""

from typing import Any


class Mistake(ValueError):
    """A mistake of the user's; the text says what is wrong and what to do. Base of all such errors."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def explain_missing_names(shell: Any) -> None:
    """In a notebook, answer a name that is not there yet with a sentence: a cell above was not run."""

    def handler(
        shell: Any, kind: type[NameError], error: NameError, traceback: Any, tb_offset: int | None = None
    ) -> Any:
        if error.name is None or traceback.tb_next is None or traceback.tb_next.tb_next is not None:
            return shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
        sentence = f"{error.name!r} is not there yet: run the cells above first (Run > Run All Above Selected Cell)."
        error._render_traceback_ = lambda: [f"NameError: {sentence}"]  # type: ignore[attr-defined]
        return shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)

    shell.set_custom_exc((NameError,), handler)
