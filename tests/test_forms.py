"""The form of an answer: a right one is right in every form, and no judge raises whatever it is given."""

import itertools
from collections import Counter
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from other_forms import ODD, forms_of

import hfedu
from hfedu.course import forms
from hfedu.course.answers import answer_of, shown_source
from hfedu.course.exercises import check, exercises, judge
from hfedu.course.notebooks import lesson_at
from hfedu.course.predictions import grade, predictions
from hfedu.course.record import Record
from hfedu.hf.hypervisor import Hypervisor


def solved(exercise_id):
    return answer_of(shown_source(exercises()[exercise_id].solution))


def given_to_judge(exercise, answer):
    """What a judge has of an answer: what `takes` makes of it, of a program its image."""
    taken = exercise.takes(answer)
    if not isinstance(taken, str):
        return taken
    return (hfedu.compile_c if "{" in taken else hfedu.assemble)(taken)


@pytest.mark.slow
@pytest.mark.parametrize("exercise_id", exercises())
def test_a_right_answer_is_right_in_other_forms(exercise_id):
    """Forms of which the judge gets the same are judged once: of data and of programs nearly all of them are."""
    exercise, seen = exercises()[exercise_id], []
    again = forms_of(exercise_id, solved(exercise_id))
    for name, answer in forms_of(exercise_id, solved(exercise_id)).items():
        given = given_to_judge(exercise, again[name])
        if given not in seen:
            seen.append(given)
            verdict = judge(exercise, answer)
            assert verdict, f"{name}: {verdict}"


@pytest.mark.slow
@pytest.mark.parametrize("exercise_id", exercises())
def test_no_judge_raises_whatever_type_the_answer_has(exercise_id):
    for name, answer in ODD.items():
        verdict = check(exercise_id, answer)
        assert verdict.judged, f"{name}: {verdict}"
        assert verdict.state in ("wrong", "crashed"), f"{name}: {verdict}"
        assert verdict.sentence
        assert repr(verdict)
        assert verdict._repr_html_()


@pytest.mark.parametrize("exercise_id", ["01-decode-esr", "02-split", "05-decode", "06-decode-run"])
def test_a_function_that_yields_its_results_is_a_function(exercise_id):
    def yields(number):
        yield from solved(exercise_id)(number)

    assert check(exercise_id, yields)
    assert check(exercise_id, lambda number: map(int, yields(number)))


def test_a_function_with_yield_that_gives_nothing_is_run_to_its_end():
    def switch(cpu, leaving, entering):
        leaving.update(cpu)
        yield
        cpu.update(entering)

    assert check("01-switch", switch)
    assert "It has more than 10,000 items" in check("05-decode", lambda number: itertools.count()).sentence


def test_what_is_wrong_with_a_form_is_said():
    def silent():
        hfedu.configure()

    def hands_back():
        return 3

    def asks(vm):
        yield hfedu.vcpu_run(vm)

    async def later():
        pass

    for answer, said in [
        (silent, "There is no yield in it"),
        (hands_back, "hands back an int, and not a generator"),
        (asks, "needs arguments (vm)"),
        (later, "without async"),
        (asks(1), "without brackets"),
        (["relay", "relay"], "not a list of texts."),
        ([], "not an empty list."),
        ([1, "two"], "not a list of this and that."),
        (np.zeros(2), "not a ndarray."),
    ]:
        assert said in check("05-echo", answer).sentence
    assert "not a list of texts. Without quotes" in check("00-four-mailboxes", ["relay"] * 3).sentence
    assert "The steps have the numbers 1 to 5" in check("05-arrange-send", [0, 1, 2, 3, 4]).sentence
    assert "Write def, without async" in check("05-decode", later).sentence
    assert "A byte is a number from 0 to 255" in check("08-route", [2, 256]).sentence


def test_a_sentence_is_followed_by_the_next_hint_and_after_the_third_by_the_solution(monkeypatch):
    monkeypatch.setattr("hfedu.course.exercises.MISSES", Counter())
    monkeypatch.setattr("hfedu.course.exercises.HINTED", {})
    assert "Try the three hints first" in hfedu.solution("07-order")
    wrong = ["receive", "clear", "copy"]
    for number in (1, 2, 3):
        verdict = check("07-order", wrong)
        shown = verdict._repr_html_()
        assert f"<summary>Hint {number} of 3</summary>" in shown
        assert f"<summary>Hint {number + 1} of 3</summary>" not in shown
        assert f'Help: print(hfedu.hint("07-order", {number}))' in repr(verdict)
        assert ("A solution" in shown) == (number == 3)
    assert "receive&quot;, &quot;copy&quot;, &quot;clear&quot;]" in shown
    assert "show=True" in repr(verdict)
    assert hfedu.solution("07-order").startswith("To see a solution: ")


def test_hints_that_were_read_count(monkeypatch):
    monkeypatch.setattr("hfedu.course.exercises.MISSES", Counter())
    monkeypatch.setattr("hfedu.course.exercises.HINTED", {})
    for number in (1, 2, 3):
        assert "Try the three hints first" in hfedu.solution("07-order")
        hfedu.hint("07-order", number)
    assert hfedu.solution("07-order").startswith("To see a solution: ")


def test_a_right_answer_is_told_what_one_knows_and_what_is_next(monkeypatch, tmp_path):
    monkeypatch.setattr("hfedu.course.exercises.RECORD", Record())
    monkeypatch.setenv("HFEDU_PROGRESS", str(tmp_path / "progress.txt"))
    right = check("07-second-send", solved("07-second-send"))
    assert "What you know now: the second send has room when" in repr(right)
    assert repr(right).endswith("Next here: exercise 07-collector.")
    assert check("07-collector", solved("07-collector")).help.text.endswith("Next here: exercise 07-order.")
    last = check("07-order", ["receive", "copy", "clear"])
    assert '<a href="08_any_vm_to_any_vm.ipynb">08 Any VM to any VM</a>' in last._repr_html_()
    assert repr(check("14-policy", solved("14-policy"))).endswith("Next here: exercise 14-route.")


def test_a_verdict_is_true_only_if_it_is_right():
    assert check("07-order", ["receive", "copy", "clear"])
    assert not check("07-order", ["copy", "receive", "clear"])
    assert not check("07-order")
    assert not check("05-echo", lambda: 1 // 0)


def test_a_wrong_run_is_shown_where_its_sentence_points(monkeypatch):
    verdict = check("07-second-send", exercises()["07-second-send"].wrong["sends all in a row"][0])
    assert f"(event {verdict.at})" in verdict.sentence
    at = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **options: None)
    monkeypatch.setattr(hfedu.Run, "_ipython_display_", lambda run, position=0: at.append(position))
    replace(verdict, make_beside=lambda: None)._ipython_display_()
    assert at == [verdict.at]


def test_no_verdict_and_no_prediction_depends_on_the_clock(monkeypatch):
    """On a computer where between any two looks at the clock a minute goes by."""
    asked = [predictions()[name] for name in ("01-in-turn", "13-push", "07-read-twice")]
    truths = [answers_to(prediction) for prediction in asked]
    monkeypatch.setattr("hfedu.guest.budget.time", SimpleNamespace(monotonic=count(0, 60).__next__))
    assert hfedu.boot(hfedu.RamDisk(hfedu.assemble("wfi"))).outcome.by_clock, "any other run is stopped at once"
    for name in ("13-repair", "01-sum"):
        assert check(name, solved(name))
        for answer, reason in exercises()[name].wrong.values():
            assert reason in check(name, answer).sentence
    assert [answers_to(prediction) for prediction in asked] == truths


def answers_to(prediction):
    """What the machine says to the questions of a prediction."""
    _, marks = grade(prediction, [question.options[0] for question in prediction.questions])
    return [mark.actual for mark in marks]


def test_a_script_that_another_function_hands_back_is_no_script_without_yield():
    def talk(vm):
        yield hfedu.configure()
        yield hfedu.vcpu_run(vm)

    assert "no yield" not in check("07-second-send", lambda: talk(1)).sentence


def test_an_error_of_the_answer_is_told_apart_from_one_of_the_judge(monkeypatch):
    exercise = exercises()["05-decode"]
    monkeypatch.setitem(vars(exercise), "judge", lesson_at)
    verdict = check("05-decode", lambda value: (0, 0))
    assert not verdict.judged
    assert "hfedu's own check stopped with AttributeError" in verdict.sentence
    monkeypatch.undo()
    assert check("05-decode", lambda value: 1 // 0).sentence.startswith("Your answer raised ZeroDivisionError: ")


def test_a_missing_name_is_explained():
    names = {"configure": hfedu.configure}
    exec("def answer():\n    yield configure()\n    yield clear()\n", names)
    assert "'clear' is not imported: from hfedu import clear" in check("05-echo", names["answer"]).sentence
    exec("def answer():\n    yield configure()\n    yield pages\n", names)
    assert "'pages' is not there yet: run the cells above first" in check("05-echo", names["answer"]).sentence


def test_a_character_that_was_pasted_is_taken_or_named():
    assert hfedu.assemble("\ufeff\u00a0 wfi\u200b\n") == hfedu.assemble("  wfi\n")
    text = hfedu.compile_c('void guest_main(void) { puts("a\u00a0b"); }')
    assert "a\u00a0b".encode() in text, "in a text it is what it is"
    with pytest.raises(ValueError, match=r"line 2: .*there is “–” in it, U\+2013: write it with the keyboard"):
        hfedu.assemble("  nop\n  mov x0, #\u20131 // \u201e\n")
    with pytest.raises(ValueError, match=r"U\+201C"):
        hfedu.compile_c("void guest_main(void) { puts(\u201cone\u201d); }")
    with pytest.raises(ValueError, match=r"line 1: .*(did you mean: mov, movk, movn, movz\?|`move' -- `move x0,x1')$"):
        hfedu.assemble("  move x0, x1 // \u2013\n")


@pytest.mark.slow
@pytest.mark.parametrize("exercise_id", ["05-echo", "05-guard", "08-service"])
def test_a_script_that_is_over_is_told_apart_from_one_that_executed_wfi(exercise_id):
    def served(last):
        def service():
            yield hfedu.configure()
            yield hfedu.receive(block=True)
            yield hfedu.clear()
            yield from last

        return service

    ended, slept = (check(exercise_id, served(last)).sentence for last in ([], [hfedu.wait_for_interrupt()]))
    assert "has ended" in ended
    assert "WFI" not in ended
    assert "has executed WFI" in slept
    assert "ended" not in slept


def test_a_guest_that_answers_nothing_is_not_told_that_it_executed_wfi():
    def silent():
        yield hfedu.configure()
        yield hfedu.receive(block=True)

    assert "Your guest sent nothing" in check("06-patient", silent).sentence


def test_plain_makes_one_value_of_many_forms():
    assert forms.plain([np.int8(3), [bytearray(b"x")], np.array([1, 2])]) == (3, (b"x",), (1, 2))


class Tries:
    """What a script may keep its count in."""

    name = "tries"
    made = 0


def tries_at_most(number):
    left = [number]

    def more():
        left[0] -= 1
        return left[0] > 0

    return more


def gives_up(kind, number):
    """A sender that gives up after so many refusals, and keeps its count in another way."""

    def with_local():
        made = 0
        while (yield hfedu.send(1, "two")) == -1:
            made += 1
            if made == number:
                return

    def with_loop():
        for _ in range(number):
            if (yield hfedu.send(1, "two")) != -1:
                return

    def with_object():
        tries = Tries()
        while (yield hfedu.send(1, "two")) == -1:
            tries.made += 1
            if tries.made == number:
                return

    def with_closure():
        more = tries_at_most(number)
        while (yield hfedu.send(1, "two")) == -1:
            if not more():
                return

    def with_iterator():
        count = itertools.count(1).__next__
        while (yield hfedu.send(1, "two")) == -1:
            if count() == number:
                return

    return locals()[kind]


KEPT = ("with_local", "with_loop", "with_object", "with_closure", "with_iterator")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "number"), [*itertools.product(KEPT, (3, 50)), ("with_local", 400), ("with_loop", 400)]
)
def test_who_gives_up_is_found_wherever_the_count_is_kept(kind, number):
    verdict = judge(exercises()["10-insist"], gives_up(kind, number))
    assert verdict.state == "wrong"
    assert "Not in every order" in verdict.sentence


def keeps_a_list():
    words = ["two"]
    while (yield hfedu.send(1, words[0])) == -1:
        pass


def imports_something():
    import random  # noqa: F401

    while (yield hfedu.send(1, "two")) == -1:
        pass


def loops_for_ever():
    for _ in iter(int, 1):
        if (yield hfedu.send(1, "two")) != -1:
            return


def asks_a_function():
    refused = lambda result: result == -1  # noqa: E731
    while refused((yield hfedu.send(1, "two"))):
        pass


def keeps_bytes():
    text = bytearray(b"two")
    while (yield hfedu.send(1, bytes(text))) == -1:
        pass


def counts():
    tries = 0
    while (yield hfedu.send(1, "two")) == -1:
        tries += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer", [keeps_a_list, imports_something, loops_for_ever, asks_a_function, keeps_bytes, counts]
)
def test_who_never_gives_up_is_right_whatever_it_keeps(answer):
    assert judge(exercises()["10-insist"], answer)


def counts_its_runs():
    yield hfedu.send(1, "hello")
    runs = 0
    while (yield hfedu.clear()) == -1:
        yield hfedu.vcpu_run(1)
        runs += 1


@pytest.mark.slow
def test_a_primary_that_counts_its_runs_is_right_and_one_that_gives_up_is_not():
    def gives_up_after_50():
        yield hfedu.send(1, "hello")
        for _ in range(50):
            if (yield hfedu.clear()) == 0:
                return
            yield hfedu.vcpu_run(1)

    assert judge(exercises()["11-try-again"], counts_its_runs)
    assert "Not in every order" in judge(exercises()["11-try-again"], gives_up_after_50).sentence


@pytest.mark.slow
def test_an_order_that_only_hfedu_forgives_is_right_with_a_remark():
    steps = exercises()["11-arrange-switch"].solution
    save, take, mark, drop, restore = steps
    assert "real Arm CPU" not in check("11-arrange-switch", steps).sentence
    assert (
        "On a real Arm CPU it would be wrong" in check("11-arrange-switch", [save, take, drop, mark, restore]).sentence
    )


class HandsBackANumber(Hypervisor):
    def clear_locked(self, vm):
        return 3


class TakesTooLittle(Hypervisor):
    def clear_locked(self):
        yield


class YieldsNoStep(Hypervisor):
    def clear_locked(self, vm):
        yield 3


class GivesNoResult(Hypervisor):
    def clear_locked(self, vm):
        yield from super().clear_locked(vm)


class CannotBeMade(Hypervisor):
    def __init__(self):
        pass


@pytest.mark.parametrize(
    "answer", [HandsBackANumber, TakesTooLittle, YieldsNoStep, GivesNoResult, CannotBeMade, Hypervisor]
)
def test_a_repair_that_breaks_the_hypervisor_is_judged(answer):
    verdict = judge(exercises()["12-idempotent"], answer)
    assert verdict.judged
    assert not verdict
