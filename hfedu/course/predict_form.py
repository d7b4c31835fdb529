"""The questions of a prediction as a form in a notebook."""

import html
from typing import Any

from hfedu.course.predictions import Grade, Prediction, grade
from hfedu.course.record import RECORD, Standing
from hfedu.errors import Mistake, needing
from hfedu.widgets.keys import keys_row
from hfedu.widgets.player import Player

with needing("ipywidgets"):
    import ipywidgets


class Predict(ipywidgets.VBox):
    """The questions as a form; `commit` judges. Answers can also be set from code: `answer(["0", "READ"])`."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self.choices = []
        self.button = ipywidgets.Button(description="Commit", icon="check", tooltip="commit to these predictions")
        self.button.on_click(lambda _: self.commit())
        self.said = ipywidgets.HTML()
        parts: list[Any] = [ipywidgets.HTML(f"<b>Predict: {html.escape(prediction.title)}</b>")]
        for number, question in enumerate(prediction.questions, 1):
            self.choices.append(ipywidgets.RadioButtons(options=question.options, value=None, layout={"width": "auto"}))
            parts += [ipywidgets.HTML(f"{number}. {html.escape(question.text)}"), keys_row(self.choices[-1])]
        self.parts = (*parts, self.button, self.said)
        super().__init__(self.parts)

    def answer(self, answers: list[str]) -> None:
        """Choose and commit. `Mistake` if an answer is none of the options."""
        if len(answers) != len(self.choices):
            raise Mistake(f"{self.prediction.id} has {len(self.choices)} questions, you gave {len(answers)} answers")
        for choice, text in zip(self.choices, answers, strict=True):
            if text not in choice.options:
                raise Mistake(f"{text!r} is none of the options: {', '.join(choice.options)}")
            choice.value = text
        self.commit()

    def commit(self) -> None:
        """Judge what is chosen; a question without a choice is asked for."""
        numbers = ", ".join(str(number) for number, choice in enumerate(self.choices, 1) if choice.value is None)
        if numbers:
            self.said.value = f'<p role="status">Choose an answer to question {numbers} first. A guess is fine.</p>'
            return
        run, marks = grade(self.prediction, [choice.value for choice in self.choices])
        for control in (*self.choices, self.button):
            control.disabled = True
        miss = next((mark for mark in marks if not mark.right), None)
        RECORD.note(self.prediction.id, Standing.WRONG if miss else Standing.RIGHT)
        self.said.value = grade_report(marks, miss)
        self.children = (*self.parts, Player(run, (miss or marks[-1]).event))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget; for pages without a kernel the same in words."""
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": repr(self)}

    def __repr__(self) -> str:
        questions = enumerate(self.prediction.questions, 1)
        lines = [f"{number}. {question.text}  [ {' | '.join(question.options)} ]" for number, question in questions]
        return "\n".join([f"Predict: {self.prediction.title}", *lines])


def grade_report(marks: list[Grade], miss: Grade | None) -> str:
    """The marks, and the explanation of the first miss."""
    rows = "".join(
        f"<li>{'✓' if mark.right else '✗'} you said <b>{html.escape(mark.predicted)}</b>"
        + ("" if mark.right else f", the machine says <b>{html.escape(mark.actual)}</b>")
        + f" (event {mark.event})</li>"
        for mark in marks
    )
    right = sum(mark.right for mark in marks)
    why = f"<p><b>Event {miss.event}:</b> {html.escape(miss.question.why)}</p>" if miss else "<p>All as predicted.</p>"
    return f'<div role="status"><p>{right} of {len(marks)} right.</p><ol>{rows}</ol>{why}</div>'
