"""Arrange: the steps of a handler in a list, to be moved up and down until their order is right."""

import html
from collections.abc import Callable, Sequence
from typing import Any

from hfedu.errors import Mistake, needing, plainly
from hfedu.widgets.comparison import beside
from hfedu.widgets.form import Form, keys_row, push_button, says
from hfedu.widgets.player import Player

with needing("ipywidgets"):
    import ipywidgets


@plainly
class Arrange(Form):
    """A list of steps, buttons that move the chosen one, and one that checks. `order` is the list as it stands.

    `check` takes the exercise's id and the order, and gives its verdict. `move` and the buttons work from code; `more`
    is what else a call of `check` from there needs.
    """

    def __init__(
        self, exercise: str, task: str, pieces: Sequence[str], check: Callable[[str, Any], Any], more: str = ""
    ) -> None:
        self.exercise, self.task, self.judge, self.more = exercise, task, check, more
        wide = {"width": "min(100%, 480px)", "height": f"{20 * len(pieces) + 10}px"}
        self.list = ipywidgets.Select(options=tuple(pieces), value=pieces[0], rows=len(pieces), layout=wide)
        self.list.description, self.list.style = "order", {"description_width": "44px"}
        self.up = push_button("▲ Up", lambda: self.move(self.list.value, -1))
        self.down = push_button("▼ Down", lambda: self.move(self.list.value, 1))
        self.button = push_button("Check", self.check)
        self.said = ipywidgets.HTML(says("Choose a step and move it up or down. The first is done first."))
        self.shown = ipywidgets.VBox()
        about = ipywidgets.HTML(f"<b>Arrange: {html.escape(task)}</b>")
        super().__init__([about, keys_row(self.list), keys_row(self.up, self.down, self.button), self.said, self.shown])

    @property
    def order(self) -> list[str]:
        """The steps as they stand."""
        return list(self.list.options)

    def move(self, step: str, by: int) -> None:
        """Move a step so many places, up with a negative number, and no further than the end."""
        order = self.order
        if step not in order:
            raise Mistake(f"there is no step {step!r}: there are {', '.join(order)}")
        order.remove(step)
        at = min(max(self.order.index(step) + by, 0), len(order))
        order.insert(at, step)
        self.list.options = tuple(order)
        self.list.value = step
        self.said.value = says(f"“{step}” is step {at + 1} of {len(order)}.")

    def check(self) -> None:
        """Judge the order as it stands, and show the run."""
        verdict = self.judge(self.exercise, self.order)
        self.said.value = verdict._repr_html_()
        self.shown.children = ()
        if verdict.beside is not None:
            self.shown.children = (beside(verdict.run, verdict.beside).players(),)
        elif verdict.run is not None:
            self.shown.children = (Player(verdict.run),)

    def __repr__(self) -> str:
        steps = [f"{number}. {step}" for number, step in enumerate(self.order, 1)]
        call = f'check("{self.exercise}", [the steps in order]{self.more})'
        return "\n".join([f"Arrange: {self.task}", *steps, f"From code: {call}"])
