"""The sequence diagram with a slider that makes it grow event by event."""

import html
from typing import Any

import ipywidgets

from hfedu.notebook import Run
from hfedu.view import paint, words
from hfedu.view.sequence import sequence
from hfedu.view.text import transcript


class StepThrough(ipywidgets.VBox):
    """A slider, buttons, one sentence about the present event, and the diagram up to it.

    `position` is the number of the present event. Where widgets do not run, the whole picture shows instead.
    """

    def __init__(self, run: Run, first: int = 0, last: int | None = None) -> None:
        end = len(run.events) - 1
        last = end if last is None else last
        if not 0 <= first <= last <= end:
            raise ValueError(f"this run has events 0 to {end}, so it cannot show {first} to {last}")
        self.run = run
        self.scene = sequence(run, first, last)
        numbers = {"min": first, "max": last, "value": first}
        wide = ipywidgets.Layout(width="min(100%, 640px)")
        self.slider = ipywidgets.IntSlider(**numbers, description="Event", continuous_update=False, layout=wide)
        self.back = ipywidgets.Button(description="Back", icon="step-backward", tooltip="the event before")
        self.forward = ipywidgets.Button(description="Step", icon="step-forward", tooltip="the next event")
        self.sentence = ipywidgets.HTML(layout=ipywidgets.Layout(min_height="4.5em"))
        image = ipywidgets.Layout(width=f"{round(self.scene.width)}px", max_width="100%", height="auto")
        self.image = ipywidgets.Image(format="png", layout=image)
        self.slider.observe(lambda _: self.show(), names="value")
        self.back.on_click(lambda _: self.move(-1))
        self.forward.on_click(lambda _: self.move(1))
        controls = ipywidgets.HBox(
            [self.back, self.forward, self.slider], layout=ipywidgets.Layout(flex_flow="row wrap")
        )
        super().__init__([controls, self.sentence, self.image])
        self.show()

    @property
    def position(self) -> int:
        """The number of the present event."""
        return int(self.slider.value)

    def move(self, by: int) -> None:
        """Step by some events, staying inside the run."""
        self.slider.value = self.position + by

    def show(self) -> None:
        """Draw the present position."""
        event = self.run.events[self.position]
        changed = "".join(f"<li>{html.escape(change)}</li>" for change in words.changes(event))
        self.sentence.value = f"<b>{event.seq}</b>&ensp;{html.escape(words.sentence(event))}<ul>{changed}</ul>"
        self.image.value = paint.render(self.scene, "png", now=self.position)
        self.back.disabled = self.position == self.slider.min
        self.forward.disabled = self.position == self.slider.max

    def __repr__(self) -> str:
        return transcript(self.run, self.slider.min, self.slider.max)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and for pages without a kernel the whole picture and the transcript."""
        data = super()._repr_mimebundle_(**kwargs)
        if isinstance(data, tuple):
            data = data[0]
        size = {"width": round(self.scene.width), "height": round(self.scene.height), "alt": self.scene.alt}
        data |= {"image/png": paint.render(self.scene, "png"), "text/plain": repr(self)}
        return data, {"image/png": size}


def step_through(run: Run, first: int = 0, last: int | None = None) -> StepThrough:
    """A slider through a run, or through its events `first` to `last`."""
    return StepThrough(run, first, last)
