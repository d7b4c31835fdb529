"""Two runs side by side: two orders with the table of their steps, or an answer beside what is right."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets

from hfedu.run.trace import Recording
from hfedu.view.compare import Comparison, side_by_side
from hfedu.view.runs import where_they_part
from hfedu.view.scene import Scene
from hfedu.widgets.player import Player


class Comparing(Comparison):
    """A comparison that shows itself."""

    def players(self) -> ipywidgets.HBox:
        """Both runs, each at the first event that differs."""
        return players([(recording, self.first_event()) for recording in self.titled()])

    def _ipython_display_(self) -> None:
        """The first difference, the steps, and the players; for pages without a kernel a picture instead of these."""
        from IPython.display import display

        display({"text/html": self.table(), "text/plain": repr(self)}, raw=True)
        show(self.players(), self.scene())


class Pair:
    """A run beside the one that is right, each at the event where they part, that shows itself."""

    def __init__(self, run: Recording, right: Recording) -> None:
        here, there = where_they_part(run, right)
        titled = replace(run, title=f"{run.title}: your answer"), replace(right, title=f"{right.title}: right")
        at = (len(r.events) - 1 if seq is None else seq for r, seq in zip((run, right), (here, there), strict=True))
        self.runs = list(zip(titled, at, strict=True))

    def players(self) -> ipywidgets.HBox:
        """Both runs."""
        return players(self.runs)

    def _ipython_display_(self) -> None:
        """The players; for pages without a kernel a picture."""
        (_, here), (_, there) = self.runs
        alt = (
            f"Your answer and what is right, beside each other from where they part: event {here} here, {there} there."
        )
        show(self.players(), side_by_side(self.runs, alt))


def players(runs: Sequence[tuple[Recording, int]]) -> ipywidgets.HBox:
    """Runs in players at an event each, beside each other where there is room."""
    shown = [Player(recording, event) for recording, event in runs]
    for player in shown:
        player.layout = ipywidgets.Layout(flex="1 1 500px", min_width="0", margin="0 8px 8px 0")
    return ipywidgets.HBox(shown, layout={"flex_flow": "row wrap"})


def show(widget: ipywidgets.Widget, scene: Scene) -> None:
    """Display a widget, and for pages without a kernel a picture instead."""
    from IPython.display import display

    data, metadata = scene._repr_mimebundle_()
    live: Any = widget._repr_mimebundle_() or {}
    display({**live, **data}, metadata=metadata, raw=True)
