"""Every answer to a prediction names an event, and whoever stands there in the player sees that answer."""

import re
from dataclasses import replace
from functools import cache
from inspect import getclosurevars

import pytest

from hfedu import Kind
from hfedu.course.exercises import variant_of
from hfedu.course.predictions import grade, predictions
from hfedu.course.shared.scenes import result_of, run_result, state_of
from hfedu.hf.cpu import VcpuState
from hfedu.hf.vm import MailboxState
from hfedu.history.rpc import RpcState, RpcVcpuState
from hfedu.run import words
from hfedu.run.kinds import FOLLOWS

STATES = {state.name for kind in (VcpuState, MailboxState, RpcVcpuState, RpcState) for state in kind}

VARIANTS = [variant_of(each, "Ada", predictions()) for each in predictions().values() if each.variant is not None]
every_prediction = pytest.mark.parametrize(
    "prediction", [*predictions().values(), *VARIANTS], ids=lambda prediction: f"{prediction.id}{prediction.seeded}"
)


@cache
def judged(prediction):
    return grade(prediction, [question.options[0] for question in prediction.questions])


def trap_of(run, event):
    """What a guest did, for which the hypervisor did this."""
    while event.kind in FOLLOWS and event.cause is not None:
        event = run.events[event.cause]
    return event


def brings_a_result(mark):
    by_its_question = "return" in mark.question.text or mark.question.truth in (result_of, run_result)
    return mark.actual.startswith("it returns") or by_its_question


@every_prediction
def test_an_answer_needs_nothing_that_happens_after_the_event_it_names(prediction):
    run, marks = judged(prediction)
    for mark in marks:
        so_far = replace(run, events=run.events[: mark.event + 1])
        assert mark.question.truth(so_far, so_far.events[-1]) == mark.actual, mark.question.text


@every_prediction
def test_an_answer_that_is_a_state_names_the_event_that_brought_it(prediction):
    run, marks = judged(prediction)
    for mark in marks:
        if not STATES.issuperset(mark.question.options):
            continue
        assert mark.question.truth.__qualname__.startswith(state_of.__name__), "only that says which state is meant"
        path = getclosurevars(mark.question.truth).nonlocals["path"]
        assert str(run.at(mark.event)[path]) == mark.actual
        trap = trap_of(run, run.events[mark.event])
        changed = [event.seq for event in run.events if event.change(path) and trap_of(run, event) == trap]
        assert not changed or changed[-1] == mark.event, mark.question.text


@every_prediction
def test_an_answer_that_is_a_result_names_the_event_that_brings_it(prediction):
    run, marks = judged(prediction)
    for mark in marks:
        if not brings_a_result(mark):
            continue
        event = run.events[mark.event]
        assert event.kind is Kind.RETURN or (event.kind is Kind.SWITCH and event.function is not None)
        said = words.result(event.call, event.result)
        shown = {said, said.partition("(")[0], said.partition(" (")[0], words.signed_text(event.result)}
        answer = mark.actual.removeprefix("it returns ")
        number = re.sub(r"^(-\d+), [A-Z_]+$", r"\1", answer)  # FF-A's word for it stands behind
        assert {answer, number} & shown, mark.question.text
