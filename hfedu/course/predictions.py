"""Predictions: commit to an answer, then see what the machine does, and why: of each answer, right or wrong.

`predict("05-first-send")` shows the questions. Nothing runs, and nothing blocks, until the learner commits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from hfedu.course.exercises import LESSON_MODULES, Varied, variant_of
from hfedu.errors import Mistake
from hfedu.notebook import Run
from hfedu.run.recording import Event

if TYPE_CHECKING:
    from hfedu.course.predict_form import Predict


class Question(NamedTuple):
    """One thing to predict: `truth` takes the right option from the event that `where` finds; `why` explains it."""

    text: str
    options: tuple[str, ...]
    where: Callable[[Run], Event]
    truth: Callable[[Run, Event], str]
    why: str


@dataclass(frozen=True)
class Prediction(Varied):
    """Some questions about one run."""

    title: str
    run: Callable[[], Run]
    questions: tuple[Question, ...]


class Grade(NamedTuple):
    """A question after the run: what was predicted, what the machine did, at which event."""

    question: Question
    predicted: str
    actual: str
    event: int

    @property
    def right(self) -> bool:
        """Whether the prediction held."""
        return self.predicted == self.actual


@cache
def predictions() -> dict[str, Prediction]:
    """All predictions by id."""
    modules = (import_module(f"hfedu.course.lessons.{name}") for name in LESSON_MODULES)
    return {prediction.id: prediction for module in modules for prediction in module.PREDICTIONS}


def grade(prediction: Prediction, answers: list[str]) -> tuple[Run, list[Grade]]:
    """Run the machine and mark each answer against the recording."""
    run = prediction.run()
    marks = []
    for question, answer in zip(prediction.questions, answers, strict=True):
        event = question.where(run)
        marks.append(Grade(question, answer, question.truth(run, event), event.seq))
    return run, marks


def prediction_named(prediction_id: str, seed: str | int | None = None) -> Prediction:
    """The prediction of that id, or its variant of a seed. `Mistake` names those there are."""
    if not isinstance(prediction_id, str) or prediction_id not in predictions():
        raise Mistake(f"there is no prediction {prediction_id!r}: there are {', '.join(predictions())}")
    return variant_of(predictions()[prediction_id], seed, predictions())


def predict(prediction_id: str, seed: str | int | None = None) -> "Predict":
    """Show a prediction; with a seed, such as your name, a variant of your own. `Mistake` names those there are."""
    prediction = prediction_named(prediction_id, seed)
    from hfedu.course.predict_form import Predict

    return Predict(prediction)
