"""The player: a recording that is stepped through in the browser, without a round trip to the kernel."""

from collections.abc import Callable
from typing import Any

from hfedu.errors import Mistake, needing, plainly
from hfedu.files import asset
from hfedu.run.edit import guest_source, run_edited
from hfedu.run.kinds import Kind
from hfedu.run.recording import Recording
from hfedu.view import runs
from hfedu.view.answers import answer
from hfedu.view.player import player_data
from hfedu.view.sequence import sequence
from hfedu.widgets.still import show_with_picture

with needing("anywidget"):
    import anywidget
    import traitlets


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


def begins(recording: Recording) -> int:
    """Where a run begins to be worth a look: a guest gets a CPU, so that there is a state, and code. Else event 0."""
    return next((event.seq for event in recording.events if event.kind is Kind.SWITCH), 0)


@plainly
class Player(anywidget.AnyWidget):
    """Shows a recording. `position` is the number of the present event, in both directions; see `begins`.

    A closer look needs the kernel, and is asked for by a custom message: `{"ask": "steps", "instructions" or "why",
    "seq": n, "vcpu": name or null, "id": k}`, with an event's number and anything that tells requests apart. One
    message answers it: `{"ask", "seq", "id"}` as asked, and what `hfedu.view.answers.answer` gives, or `error`, a
    sentence. Of steps and instructions these are `note` (a sentence), `guest` (who led there), `leftOut` (how many come
    before the first row), `rows` as in `hfedu.view.depth.Row`, and `sources`: lines of source by file and number.
    Answers come in the order of the requests.
    """

    _esm = asset("player.js")
    _css = asset("player.css")
    data = traitlets.Instance(Recording).tag(sync=True, to_json=lambda recording, _: player_data(recording))
    """The recording. The page gets what `player_data` makes of it, which nobody keeps here: no widget is ever freed."""
    position = traitlets.Int(0).tag(sync=True)
    guide = traitlets.Dict().tag(sync=True)
    """What leads through it, made by `hfedu.widgets.guide.guide`; empty if nothing does."""
    heard: Callable[[dict[str, Any]], None] | None = None
    """Who hears what is asked and pressed."""
    rerun: Recording | None = None
    """The last run with an edited guest."""

    def __init__(self, recording: Recording, position: int | None = None) -> None:
        super().__init__(data=recording, position=begins(recording) if position is None else position)
        self.on_msg(self._answer)

    @property
    def recording(self) -> Recording:
        """What is shown."""
        return self.data

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        last = len(self.recording.events) - 1
        if not 0 <= proposal["value"] <= last:
            raise Mistake(f"there is no event {proposal['value']}: this recording has events 0 to {last}")
        return int(proposal["value"])

    def _answer(self, _widget: object, asked: Any, _buffers: object) -> None:
        """Answer a message of the front end, and tell who hears."""
        asked = asked if isinstance(asked, dict) else {}
        if asked.get("ask") in ("source", "rerun"):
            self.send(self._edited(asked))
        elif "run" in asked:
            rerun = self.rerun if asked["run"] == 1 and self.rerun is not None else self.recording
            self.send({"run": asked["run"], **answered(rerun, asked)})
        elif "press" not in asked:
            self.send(answered(self.recording, asked))
        if self.heard is not None:
            try:
                self.heard(asked)
            except Mistake as mistake:  # what was pressed twice may be gone the second time
                self.guide = {**self.guide, "said": f"{str(mistake)[:1].upper()}{str(mistake)[1:]}."}

    def _edited(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The source of a guest; or, with the text that it was made into, this run beside the one that comes out."""
        try:
            vcpu = str(asked.get("vcpu"))
            if asked["ask"] == "source":
                found: dict[str, Any] = guest_source(self.recording, vcpu)._asdict()
                return {"id": asked.get("id"), "source": found["text"], "language": found["language"]}
            self.rerun = run_edited(self.recording, vcpu, str(asked.get("text")))
            compared = runs.compare_runs(runs.RunComparison, self.recording, self.rerun)
            return {"id": asked.get("id"), "pair": compared.data()}
        except Mistake as mistake:
            return {"id": asked.get("id"), "error": f"{str(mistake)[:1].upper()}{str(mistake)[1:]}."}
        except KeyboardInterrupt:
            return {"id": asked.get("id"), "error": "You stopped it."}

    def show(self, recording: Recording) -> None:
        """Go on with another recording, at its last event: for runs that grow."""
        with self.hold_sync():
            self.data = recording
            self.position = len(recording.events) - 1

    def _ipython_display_(self) -> None:
        """The player; for a notebook that is opened without a kernel its picture."""
        show_with_picture(lambda: self, *sequence(self.recording)._repr_mimebundle_())

    def __repr__(self) -> str:
        return f"Player({self.recording!r})"


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
