"""Two orders side by side: the steps as a table, and both runs in players."""

from typing import Any

import ipywidgets

from hfedu.view.compare import Comparison
from hfedu.widgets.player import Player


class Comparing(Comparison):
    """A comparison that shows itself."""

    def players(self) -> ipywidgets.HBox:
        """Both runs, each at the first event that differs, beside each other where there is room."""
        players = [Player(recording, self.first_event()) for recording in self.titled()]
        for player in players:
            player.layout = ipywidgets.Layout(flex="1 1 500px", min_width="0", margin="0 8px 8px 0")
        return ipywidgets.HBox(players, layout={"flex_flow": "row wrap"})

    def _ipython_display_(self) -> None:
        """The first difference, the steps, and the players; for pages without a kernel a picture instead of these."""
        from IPython.display import display

        display({"text/html": self.table(), "text/plain": repr(self)}, raw=True)
        data, metadata = self.scene()._repr_mimebundle_()
        widget: Any = self.players()._repr_mimebundle_() or {}
        display({**widget, **data}, metadata=metadata, raw=True)
