"""Two runs side by side in players that go together: two orders of the same steps, or any two runs."""

from dataclasses import replace
from typing import TYPE_CHECKING

from hfedu.errors import plainly
from hfedu.run.recording import Recording
from hfedu.view import compare, runs
from hfedu.widgets.still import show_with_picture

if TYPE_CHECKING:
    from hfedu.widgets.player import Pair, Player


@plainly
class RunsCompared(runs.RunComparison):
    """A comparison of two runs that shows itself."""

    def players(self) -> "Pair":
        """Both runs where they part."""
        from hfedu.widgets.player import Pair

        return Pair(self.first, self.second, self.data)

    def _ipython_display_(self) -> None:
        """The players; for pages without a kernel a table of where the runs part."""
        show_with_picture(self.players, {"text/html": self._repr_html_(), "text/plain": repr(self)})


def beside(run: Recording, right: Recording) -> RunsCompared:
    """What an answer does beside what is right. That both were made by different hypervisors, their titles say."""
    yours = replace(run, title=f"{run.title}: your answer")
    compared = runs.compare_runs(RunsCompared, yours, replace(right, title=f"{right.title}: right"))
    return replace(compared, made="")


@plainly
class Comparing(compare.OrderComparison):
    """A comparison of two orders that shows itself."""

    def players(self) -> "Pair | Player":
        """Both runs at the first event that differs; the one that breaks the invariant alone if every order does."""
        from hfedu.widgets.player import Pair, Player

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
        show_with_picture(self.players, *self.scene()._repr_mimebundle_())
