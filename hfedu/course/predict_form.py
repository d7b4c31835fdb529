"""The questions of a prediction as a form in a notebook."""

import html
from typing import Any

from hfedu.course.predictions import Grade, Prediction, grade
from hfedu.course.record import RECORD, Standing
from hfedu.errors import Mistake, counted, needing
from hfedu.widgets.form import Form, keys_row, radio_buttons
from hfedu.widgets.player import Player

with needing("ipywidgets"):
    import ipywidgets


class Predict(Form):
    """The questions as a form; `commit` judges. Answers can also be set from code: `answer(["0", "READ"])`."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self.player: Player | None = None
        self.choices = []
        self.button = ipywidgets.Button(description="Commit", icon="check", tooltip="commit to these predictions")
        self.button.on_click(lambda _: self.commit())
        self.said = ipywidgets.HTML()
        parts: list[Any] = [ipywidgets.HTML(f"<b>Predict: {html.escape(prediction.title)}</b>")]
        for number, question in enumerate(prediction.questions, 1):
            self.choices.append(radio_buttons(question.options))
            parts += [ipywidgets.HTML(f"{number}. {html.escape(question.text)}"), keys_row(self.choices[-1])]
        self.parts = (*parts, self.button, self.said)
        super().__init__(self.parts)

    def answer(self, answers: list[str]) -> None:
        """Choose and commit. `Mistake` if an answer is none of the options."""
        if len(answers) != len(self.choices):
            asked, given = counted(len(self.choices), "question"), counted(len(answers), "answer")
            raise Mistake(f"{self.prediction.id} has {asked}, you gave {given}")
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
        self.player = Player(run, (miss or marks[-1]).event)
        self.said.value = f'<p role="status">{sum(mark.right for mark in marks)} of {len(marks)} right.</p>'
        rows = [self.marked(number, mark) for number, mark in enumerate(marks, 1)]
        self.children = (*self.parts, *rows, self.player)

    def marked(self, number: int, mark: Grade) -> ipywidgets.HBox:
        """What became of a question and why, with a button that leads the player to the event that shows it."""
        lead = ipywidgets.Button(description=f"event {mark.event}", icon="arrow-right", layout=LEAD)
        lead.tooltip = f"go to event {mark.event}, which shows the answer to question {number}"
        lead.on_click(lambda _: self.lead(mark.event))
        row = keys_row(lead, ipywidgets.HTML(grade_report(number, mark), layout={"flex": "1 1 30ch"}))
        row.layout.align_items = "center"
        return row

    def lead(self, event: int) -> None:
        """Go to an event of the run."""
        assert self.player is not None, "nothing leads there before"
        self.player.position = event

    def __repr__(self) -> str:
        questions = enumerate(self.prediction.questions, 1)
        lines = [f"{number}. {question.text}  [ {' | '.join(question.options)} ]" for number, question in questions]
        return "\n".join([f"Predict: {self.prediction.title}", *lines])


LEAD = {"width": "92px", "min_height": "28px"}


def grade_report(number: int, mark: Grade) -> str:
    """A question's mark and its explanation."""
    said = f"You said <b>{html.escape(mark.predicted)}</b>"
    if not mark.right:
        said += f", the machine says <b>{html.escape(mark.actual)}</b>"
    return f"{'✓' if mark.right else '✗'} {number}. {said}. {html.escape(mark.question.why)}"
