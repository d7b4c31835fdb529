"""The player: a recording that is stepped through in the browser, without a round trip to the kernel."""

from typing import Any

import anywidget
import traitlets

from hfedu.errors import Mistake
from hfedu.files import asset
from hfedu.run.trace import Recording
from hfedu.view.player import player_data


class Player(anywidget.AnyWidget):
    """Shows a recording. `position` is the number of the present event, in both directions."""

    _esm = asset("player.js")
    _css = asset("player.css")
    data = traitlets.Dict().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(self, recording: Recording, position: int = 0) -> None:
        self.recording = recording
        super().__init__(data=player_data(recording), position=position)

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        last = len(self.recording.events) - 1
        if not 0 <= proposal["value"] <= last:
            raise Mistake(f"there is no event {proposal['value']}: this recording has events 0 to {last}")
        return int(proposal["value"])

    def show(self, recording: Recording) -> None:
        """Go on with another recording, at its last event: for runs that grow."""
        self.recording = recording
        with self.hold_sync():
            self.data = player_data(recording)
            self.position = len(recording.events) - 1

    def __repr__(self) -> str:
        return f"Player({self.recording!r})"
