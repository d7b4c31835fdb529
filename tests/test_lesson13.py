"""Lesson 13: the sources that the notebook gives to change are those that its exercises are about."""

import re

import nbformat
import pytest

import hfedu
from hfedu import Kind
from hfedu.course import notebooks
from hfedu.course.exercises import check
from hfedu.course.lessons.lesson13 import BROKEN, CLEARING, ECHO, METER, PREDICTIONS, SUMS, conversation
from hfedu.course.predictions import grade
from hfedu.guest.toolchain import compile_c


@pytest.fixture(scope="module")
def given():
    """What the notebook's cells define, by cell."""
    book = nbformat.read(notebooks.source()[0] / "13_write_a_guest.ipynb", as_version=4)
    names = {name: getattr(hfedu, name) for name in hfedu.__all__}
    for cell in book.cells:
        if cell.id.startswith(("echo-", "clerk-", "ex-")) and cell.cell_type == "code":
            exec(cell.source, names)
    return names


def test_the_echo_with_its_gaps_filled_is_right(given):
    clear = "mov w0, #0xff06\n hvc #0\n"
    send = "and x1, x19, #0xffff\n lsr x2, x19, #32\n mov w0, #0xff04\n hvc #0\n"
    echo = given["start"] + given["take"] + given["copy"] + given["finish"]
    assert check("13-echo", echo).state == "wrong"
    filled = echo.replace("// gap 1: clear", clear).replace("// gap 2: send the bytes back to who sent them", send)
    assert check("13-echo", filled).state == "right"


def test_the_beginners_guest_is_the_one_that_check_knows(given):
    clerk = given["begin"] + given["take"] + given["fetch"] + given["reply"] + given["data"]
    assert clerk.split() == BROKEN.split()


def test_each_repair_leads_to_the_next_mistake():
    sentences = []
    source = BROKEN
    for old, new in ((".balign 16", ".balign 4096"), ("ldr  x9, =ok", "adr  x9, ok"), ("x14", "x22")):
        sentences.append(check("13-repair", source).sentence)
        source = source.replace(old, new)
    assert len(set(sentences)) == 3
    assert "with 13 instructions before it" in sentences[1]
    assert check("13-repair", source).state == "right"


@pytest.mark.slow
def test_an_index_beyond_its_array_is_named_though_it_does_no_harm():
    harmless = METER.replace("total[16]", "total[2]")
    run = conversation(compile_c(harmless), SUMS, "two elements for VM 0 and VM 2")
    right = conversation(compile_c(METER), SUMS, "sixteen elements")
    assert [event.message for event in run.events] == [event.message for event in right.events]
    assert "its array does not have" in check("13-meter", harmless).sentence
    assert check("13-meter", METER.replace("total[16]", "total[3]")).state == "right"


@pytest.mark.slow
def test_counting_in_memory_that_is_never_set_is_named_though_it_happens_to_be_zero():
    luck = METER.replace("static u64 total[16];\n", "").replace(
        "    configure();", "    u64 total[3];\n\n    configure();"
    )
    assert "it has not set to 0" in check("13-meter", luck).sentence
    assert check("13-meter", luck.replace("u64 total[3]", "u64 total[3] = {0}")).state == "right"


def test_a_wrong_number_is_told_as_a_number():
    sentence = check("13-meter", METER.replace("total[sender]", "total[0]")).sentence
    assert "the number 3. It got cb 00 00 00 00 00 00 00, the number 203." in sentence


def test_a_guest_that_loops_for_ever_is_stopped_and_judged():
    verdict = check("13-meter", "void guest_main(void) { configure(); for (;;) hvc(HF_MAILBOX_RECEIVE, 0, 0, 0); }")
    assert verdict.state == "wrong"
    assert "goes round for ever" in verdict.sentence
    assert verdict.run is not None
    assert verdict.run.outcome.kind == "budget"


def test_the_first_message_of_the_compiler_is_the_sentence():
    verdict = check("13-primary", "void guest_main(void) { nothing(); }")
    assert verdict.state == "wrong"
    assert verdict.sentence.startswith("The C program does not compile, line 1: ")
    assert hfedu.hint("13-primary", 1)


def test_registers_after_a_call_are_shown_where_it_returns():
    prediction = next(prediction for prediction in PREDICTIONS if prediction.id == "13-registers")
    run, marks = grade(prediction, ["0", "7"])
    assert [run.events[mark.event].kind for mark in marks] == [Kind.RETURN] * 2
    assert [run.at(marks[0].event)[f"vm1.vcpu0.{name}"] for name in ("x9", "x19")] == [0, 7]


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("13-repair", BROKEN),
        ("13-echo", ECHO.replace(CLEARING, "")),
        ("13-echo", ECHO.replace("and  x1, x19, #0xffff", "mov  x1, #3")),
    ],
    ids=["configure", "a send to it", "its own send"],
)
def test_a_refusal_is_named_by_the_event_that_returns_it(exercise, answer):
    verdict = check(exercise, answer)
    number = int(re.search(r"event (\d+)", verdict.sentence)[1])
    event = verdict.run.events[number]
    assert (event.kind, event.result) == (Kind.RETURN, 2**64 - 1)
    assert event.refused is not None
