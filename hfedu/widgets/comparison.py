"""Two runs side by side in players that go together: two orders of the same steps, or any two runs."""

from dataclasses import replace
from typing import Any

import anywidget
import traitlets

from hfedu.files import asset
from hfedu.run.recording import Recording
from hfedu.view import compare, runs
from hfedu.widgets.player import Player, answered
from hfedu.widgets.still import show_with_picture


class Pair(anywidget.AnyWidget):
    """Two players under one head. Messages are those of `Player`, with `run`: 0 for the first, 1 for the second."""

    _esm = asset("player.js")
    _css = asset("player.css")
    data = traitlets.Dict().tag(sync=True)
    still = traitlets.Bool(False).tag(sync=True)

    def __init__(self, first: Recording, second: Recording, data: dict[str, Any]) -> None:
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
        return Pair(self.first, self.second, self.data())

    def _ipython_display_(self) -> None:
        """The players; for pages without a kernel a table of where the runs part."""
        show_with_picture(self.players(), {"text/html": self._repr_html_(), "text/plain": repr(self)})


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
        return Pair(failing, passing[0], runs.pair(failing, passing[0], self.sentence, self.broken, rows, (at, at)))

    def _ipython_display_(self) -> None:
        """The first difference, the steps, and the players; for pages without a kernel a picture instead of these."""
        from IPython.display import display

        display({"text/html": self.table(), "text/plain": repr(self)}, raw=True)
        show_with_picture(self.players(), *self.scene()._repr_mimebundle_())
