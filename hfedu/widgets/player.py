"""The player: a recording that is stepped through in the browser, without a round trip to the kernel."""

from typing import Any

import anywidget
import traitlets

from hfedu.errors import Mistake
from hfedu.files import asset
from hfedu.run.recording import Recording
from hfedu.view.answers import answer
from hfedu.view.player import player_data
from hfedu.view.sequence import sequence
from hfedu.widgets.still import show_with_picture


def answered(recording: Recording, asked: dict[str, Any]) -> dict[str, Any]:
    """The message that answers one of the front end, as `Player` describes it."""
    kind, seq = asked.get("ask"), asked.get("seq")
    try:
        found = answer(recording, kind, seq, asked.get("vcpu"))
    except Mistake as mistake:
        found = {"error": str(mistake)}
    except KeyboardInterrupt:
        found = {"error": "you stopped the machine that was looking"}
    return {"ask": kind, "seq": seq, "id": asked.get("id"), **found}


class Player(anywidget.AnyWidget):
    """Shows a recording. `position` is the number of the present event, in both directions.

    A closer look needs the kernel, and is asked for by a custom message: `{"ask": "steps", "instructions" or "why",
    "seq": n, "vcpu": name or null, "id": k}`, with an event's number and anything that tells requests apart. One
    message answers it: `{"ask", "seq", "id"}` as asked, and what `hfedu.view.answers.answer` gives, or `error`, a
    sentence. Of steps and instructions these are `note` (a sentence), `guest` (who led there), `leftOut` (how many come
    before the first row), `rows` as in `hfedu.view.depth.Row`, and `sources`: lines of source by file and number.
    Answers come in the order of the requests.
    """

    _esm = asset("player.js")
    _css = asset("player.css")
    data = traitlets.Dict().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    still = traitlets.Bool(False).tag(sync=True)
    """Whether the output before the player's holds its picture, which the player hides."""

    def __init__(self, recording: Recording, position: int = 0) -> None:
        self.recording = recording
        super().__init__(data=player_data(recording), position=position)
        self.on_msg(self._answer)

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        last = len(self.recording.events) - 1
        if not 0 <= proposal["value"] <= last:
            raise Mistake(f"there is no event {proposal['value']}: this recording has events 0 to {last}")
        return int(proposal["value"])

    def _answer(self, _widget: object, asked: Any, _buffers: object) -> None:
        """Answer a message of the front end."""
        self.send(answered(self.recording, asked if isinstance(asked, dict) else {}))

    def show(self, recording: Recording) -> None:
        """Go on with another recording, at its last event: for runs that grow."""
        self.recording = recording
        with self.hold_sync():
            self.data = player_data(recording)
            self.position = len(recording.events) - 1

    def _ipython_display_(self) -> None:
        """The player; for a notebook that is opened without a kernel its picture."""
        show_with_picture(self, *sequence(self.recording)._repr_mimebundle_())

    def __repr__(self) -> str:
        return f"Player({self.recording!r})"
