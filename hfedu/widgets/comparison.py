"""Two runs side by side in players that go together: two orders of the same steps, or any two runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anywidget
import traitlets

from hfedu.files import asset
from hfedu.run.recording import Recording
from hfedu.view import compare, runs
from hfedu.widgets.player import Player, answered


class Pair(anywidget.AnyWidget):
    """Two players under one head. Messages are those of `Player`, with `run`: 0 for the first, 1 for the second."""

    _esm = asset("player.js")
    _css = asset("player.css")
    data = traitlets.Callable().tag(sync=True, to_json=lambda data, _: data())
    """Makes what the page gets, which nobody keeps here."""

    def __init__(self, first: Recording, second: Recording, data: Callable[[], dict[str, Any]]) -> None:
        self.recordings = first, second
        super().__init__(data=data)
        self.on_msg(self._answer)

    def _answer(self, _widget: object, asked: Any, _buffers: object) -> None:
        """Answer a message of the front end."""
        asked = asked if isinstance(asked, dict) else {}
        which = 1 if asked.get("run") == 1 else 0
        self.send({"run": which, **answered(self.recordings[which], asked)})


class RunsCompared(runs.RunComparison):
    """A comparison of two runs that shows itself."""

    def players(self) -> Pair:
        """Both runs where they part."""
        return Pair(self.first, self.second, self.data)

    def _ipython_display_(self) -> None:
        """The players; for pages without a kernel a table of where the runs part."""
        from IPython.display import display

        widget: Any = self.players()._repr_mimebundle_() or ({}, {})
        display({**widget[0], "text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)


def beside(run: Recording, right: Recording) -> RunsCompared:
    """What an answer does beside what is right. That both were made by different hypervisors, their titles say."""
    yours = replace(run, title=f"{run.title}: your answer")
    compared = runs.compare_runs(RunsCompared, yours, replace(right, title=f"{right.title}: right"))
    return replace(compared, made="")


class Comparing(compare.OrderComparison):
    """A comparison of two orders that shows itself."""

    def players(self) -> Pair | Player:
        """Both runs at the first event that differs; the one that breaks the invariant alone if every order does."""
        failing, *passing = self.titled()
        at = self.first_event()
        if not passing:
            return Player(failing, at)
        rows = runs.align(failing, passing[0])
        told = self.sentence, self.broken, rows, (at, at)
        return Pair(failing, passing[0], lambda: runs.pair(failing, passing[0], *told))

    def _ipython_display_(self) -> None:
        """The first difference, the steps, and the players; for pages without a kernel a picture instead of these."""
        from IPython.display import display

        display({"text/html": self.table(), "text/plain": repr(self)}, raw=True)
        data, metadata = self.scene()._repr_mimebundle_()
        widget: Any = self.players()._repr_mimebundle_() or ({}, {})
        display({**widget[0], **data}, metadata=metadata, raw=True)
