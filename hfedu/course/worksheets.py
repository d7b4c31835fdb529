"""Sheets to print: each learner predicts another conversation, draws arrows, and takes other numbers apart.

A seed is any text, and it makes the same sheets everywhere. All sheets have as many questions of the same kinds: those
that every lesson has, and the lesson's own predictions and orders that have variants. What
is right comes from a run of the machine, never from here.
"""

import html
import itertools
import random
from collections.abc import Callable, Iterator
from string import Template
from typing import Any, NamedTuple

from hfedu.course.exercises import Exercise, exercise_named, exercises, seed_text
from hfedu.course.notebooks import Lesson, lessons
from hfedu.course.predictions import Prediction, grade, prediction_named, predictions
from hfedu.course.shared.scenes import boot_scripts
from hfedu.errors import Mistake, nearest, printable
from hfedu.guest.scripted import Action, Script, clear, configure, receive, send, vcpu_run
from hfedu.hf import call, mm
from hfedu.hf.addr import PAGE_SIZE
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.recording import Actor, Event
from hfedu.view.page import HEAD, STILL
from hfedu.view.pagetable import describe_descriptor
from hfedu.view.svg import data_address
from hfedu.view.text import transcript
from hfedu.view.theme import LIGHT

SHEETS_AT_MOST = 1000
CALLS_TO_PREDICT, ARROWS, NUMBERS = 6, 5, 4
TRIES = 500
WORDS_TO_SEND = ("hi", "no", "yes", "one", "two", "hello", "again", "ready")
SHEET_OF_PAPER = Template(
    HEAD
    + """body { font: 14px/1.4 system-ui, sans-serif; color: $ink; background: $paper; margin: 0 auto; max-width: 190mm;
  padding: 8mm; }
section { break-after: page; } section:last-child { break-after: auto; } div { break-inside: avoid; }
section + section { border-top: 1px dashed $soft; }
h1 { font-size: 20px; margin: 12px 0 4px; } h2 { font-size: 16px; margin: 16px 0 6px; }
.who { display: flex; justify-content: space-between; color: $soft; } .second { display: none; }
pre { background: $box; padding: 6px 10px; font-size: 12.5px; line-height: 1.35; margin: 6px 0; }
.guests { display: grid; grid-template-columns: auto 1fr; gap: 12px; margin: 6px 0; }
.guests pre { font-size: 11px; margin: 0; } .guests pre:first-child { grid-row: span 2; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid $soft; padding: 4px 8px; text-align: left; }
th { font-weight: 600; background: $box; } td.blank { height: 22px; min-width: 90px; }
td.key { color: $call; font-weight: 600; } code { font-family: ui-monospace, monospace; }
img { max-width: 100%; }
@media print { body { padding: 0; max-width: none; } section + section { border-top: 0; }
  .second { display: flex; break-before: page; margin-top: 0; }
  @page { margin: 14mm; } }
</style>
</head>
<body>
$sheets
</body>
</html>
"""
)


class Conversation(NamedTuple):
    """A conversation to predict: the source of each guest, the run, and the calls of VM 0 that are asked for."""

    sources: tuple[str, ...]
    run: Run
    asked: tuple[Event, ...]


class PrimaryCall(NamedTuple):
    """One call of VM 0: how it is written, and the call."""

    text: str
    make: Callable[[], Action]


def worksheets(number: str, seed: str, count: int = 1, key: bool = False) -> str:
    """So many sheets of a lesson as one page to print, or their answers. `Mistake` for what cannot be."""
    lesson = next((each for each in lessons() if each.number == number), None)
    if lesson is None:
        numbers = [each.number for each in lessons()]
        raise Mistake(f"there is no lesson {number!r}{nearest(number, numbers)}: there are {', '.join(numbers)}")
    if not 1 <= count <= SHEETS_AT_MOST:
        raise Mistake(f"there can be 1 to {SHEETS_AT_MOST} sheets, not {count}")
    seed_text(seed)
    sheets = [sheet(lesson, seed, place, key) for place in range(1, count + 1)]
    what = "answers" if key else "worksheets"
    colours = {name: getattr(LIGHT, name) for name in ("ink", "paper", "soft", "box", "call")}
    return SHEET_OF_PAPER.substitute(
        colours, policy=STILL, title=html.escape(f"{lesson.title}: {what}"), sheets="\n".join(sheets)
    )


def sheet(lesson: Lesson, seed: str, place: int, key: bool) -> str:
    """One sheet of paper."""
    rng = random.Random(f"{seed_text(seed)}/{lesson.number}/{place}")
    talk = conversation(rng)
    name = html.escape(printable(seed))
    whose = "answers" if key else "Name: ______________________________"
    parts = [
        f"<h1>{html.escape(lesson.title)}</h1>",
        f'<p class="who"><span>Sheet {place}, {name}</span><span>{whose}</span></p>',
        predict_table(talk, key),
        f'<p class="who second"><span>{lesson.number}, sheet {place}, {name}: page 2</span><span>{whose}</span></p>',
        next_arrows(talk, rng, place, key),
    ]
    parts.append(numbers_to_read(lesson, rng, key))
    mine = [*lessons_own(lesson, rng.getrandbits(64), key)]
    if mine:
        page = f"{lesson.number}, sheet {place}, {name}: page 3"
        parts += [f'<p class="who second"><span>{page}</span><span>{whose}</span></p>', *mine]
    return f"<section>{''.join(parts)}</section>"


# A conversation.


def conversation(rng: random.Random) -> Conversation:
    """A conversation in which something is refused and something arrives, as every sheet has one."""
    for _ in range(TRIES):
        turns = [turn_of(rng) for _ in range(CALLS_TO_PREDICT)]
        guests = [guest_that(vm, rng.choice(HABITS)) for vm in (1, 2)]
        run = boot_scripts(primary_of(turns), [script for _, script in guests], "A worksheet")
        calls = [event for event in run.events if event.kind is Kind.HYPERCALL and event.actor == Actor(0, 0)]
        asked = tuple([event for event in calls if event.call in call.CALLS][-CALLS_TO_PREDICT:])
        results = [words.failed(back) for event in asked if (back := run.returned(event)) is not None]
        arrived = sum(event.kind is Kind.DELIVER for event in run.events)
        if len(results) == CALLS_TO_PREDICT and any(results) and arrived >= 2:
            break
    text = "\n    ".join(
        ["yield configure()", "yield vcpu_run(1)", "yield vcpu_run(2)", *(turn.text for turn in turns)]
    )
    return Conversation((f"def vm_0():\n    {text}", *(source for source, _ in guests)), run, asked)


def turn_of(rng: random.Random) -> PrimaryCall:
    """A call for VM 0 to make."""
    vm, word = rng.choice((1, 2)), rng.choice(WORDS_TO_SEND)
    return rng.choice(
        (
            PrimaryCall(f'yield send({vm}, "{word}")', lambda: send(vm, word)),
            PrimaryCall(f'yield send({vm}, "{word}")', lambda: send(vm, word)),
            PrimaryCall(f"yield vcpu_run({vm})", lambda: vcpu_run(vm)),
            PrimaryCall(f"yield vcpu_run({vm})", lambda: vcpu_run(vm)),
            PrimaryCall("yield clear()", clear),
        )
    )


def primary_of(turns: list[PrimaryCall]) -> Script:
    """VM 0: it configures, runs both, and makes its calls."""

    def vm_0() -> Any:
        yield configure()
        yield vcpu_run(1)
        yield vcpu_run(2)
        for turn in turns:
            yield turn.make()

    return vm_0


class Habit(NamedTuple):
    """What a secondary does with each message, by its lines."""

    lines: tuple[str, ...]
    clears: bool
    answers: int | None


HABITS = (
    Habit(("yield clear()", "yield send(message.sender, message.data)"), True, 0),
    Habit(("yield clear()", "yield send(0, message.data)"), True, 0),
    Habit(("yield clear()",), True, None),
    Habit(("yield send(0, message.data)",), False, 0),
)


def guest_that(vm: int, habit: Habit) -> tuple[str, Script]:
    """A secondary with a habit: its source and its script."""

    def secondary() -> Any:
        yield configure()
        while True:
            message = yield receive(block=True)
            if habit.clears:
                yield clear()
            if habit.answers is not None:
                yield send(habit.answers, message.data)

    lines = [
        "yield configure()",
        "while True:",
        "    message = yield receive()",
        *("    " + line for line in habit.lines),
    ]
    return f"def vm_{vm}():\n" + "\n".join("    " + line for line in lines), secondary


# The questions.


def predict_table(talk: Conversation, key: bool) -> str:
    """What does each call of VM 0 return?"""
    guests = "".join(f"<pre>{html.escape(source)}</pre>" for source in talk.sources)
    rows = ""
    for place, event in enumerate(talk.asked, 1):
        assert event.call is not None
        back = talk.run.returned(event)
        said = html.escape(words.result(event.call, back.result or 0)) if back is not None else "nothing"
        text = html.escape(f"{event.call.verb}({words.arguments(event)})")
        cell = f'<td class="key">{said}</td>' if key else '<td class="blank"></td>'
        rows += f"<tr><td>{place}</td><td><code>{text}</code></td>{cell}</tr>"
    head = "<tr><th>call</th><th>VM 0 calls, after its first three</th><th>it returns</th></tr>"
    return f'<div><h2>1. Predict</h2><div class="guests">{guests}</div><table>{head}{rows}</table></div>'


def next_arrows(talk: Conversation, rng: random.Random, place: int, key: bool) -> str:
    """What are the next five events? The picture ends before anything that question 1 asks for."""
    first = talk.asked[0].seq - rng.randrange(3)
    shown = talk.run.render("svg", max(0, first - 6), first)
    lines = transcript(talk.run, first + 1, first + ARROWS).splitlines()[1:]
    answers = [line for line in lines if line.strip()]
    rows = "".join(
        f'<tr><td>{first + at}</td><td class="{"key" if key else "blank"}">'
        f"{html.escape(answers[at - 1].split('cpu0', 1)[-1].strip()) if key and at <= len(answers) else ''}</td></tr>"
        for at in range(1, ARROWS + 1)
    )
    image = f'<img alt="The conversation up to event {first}" src="{data_address(shown.decode())}">'
    talk_so_far = f"The conversation of question 1 of sheet {place} has come to event {first}."
    asks = f"<p>{talk_so_far} What are the next {ARROWS} events?</p>"
    head = "<tr><th>event</th><th>who does what, and to whom</th></tr>"
    return f"<div><h2>2. Draw the next {ARROWS} arrows</h2>{asks}{image}<table>{head}{rows}</table></div>"


def numbers_to_read(lesson: Lesson, rng: random.Random, key: bool) -> str:
    """Take some numbers apart: descriptors, or results, as the lesson is about."""
    what, make = READING.get(lesson.number, READING["05"])
    rows = ""
    for value, answer in (make(rng) for _ in range(NUMBERS)):
        cell = f'<td class="key">{html.escape(answer)}</td>' if key else '<td class="blank"></td>'
        rows += f"<tr><td><code>{value:#x}</code></td>{cell}</tr>"
    table = f"<table><tr><th>number</th><th>what it says</th></tr>{rows}</table>"
    return f"<div><h2>3. Take apart</h2><p>{what}</p>{table}</div>"


def lessons_own(lesson: Lesson, seed: int, key: bool) -> Iterator[str]:
    """The lesson's own predictions and orders that have variants: those of a seed."""
    numbers = itertools.count(4)
    for name, prediction in predictions().items():
        if name.startswith(lesson.number) and prediction.variant is not None:
            yield prediction_asked(next(numbers), prediction_named(name, seed), key)
    for name, exercise in exercises().items():
        if name.startswith(lesson.number) and exercise.variant is not None and exercise.pieces:
            yield order_asked(next(numbers), exercise_named(name, seed), key)


def prediction_asked(number: int, prediction: Prediction, key: bool) -> str:
    """A prediction on paper: its questions with their options, of which one is right."""
    _, marks = grade(prediction, [question.options[0] for question in prediction.questions])
    rows = ""
    for place, mark in enumerate(marks, 1):
        options = html.escape(" / ".join(mark.question.options))
        cell = f'<td class="key">{html.escape(mark.actual)}</td>' if key else '<td class="blank"></td>'
        rows += f"<tr><td>{place}</td><td>{html.escape(mark.question.text)}</td><td>{options}</td>{cell}</tr>"
    head = "<tr><th></th><th>question</th><th>choose</th><th>answer</th></tr>"
    return f"<div><h2>{number}. Predict</h2><p>{html.escape(prediction.title)}</p><table>{head}{rows}</table></div>"


def order_asked(number: int, exercise: Exercise, key: bool) -> str:
    """An exercise whose answer is an order, on paper: each step gets its place. The key is one order that is right."""
    rows = ""
    for step in exercise.pieces:
        place = exercise.solution.index(step) + 1
        cell = f'<td class="key">{place}</td>' if key else '<td class="blank"></td>'
        rows += f"<tr><td>{html.escape(step)}</td>{cell}</tr>"
    asks = f"<p>Number the steps: {html.escape(exercise.task)}</p>"
    return f"<div><h2>{number}. Put in order</h2>{asks}<table><tr><th>step</th><th>place</th></tr>{rows}</table></div>"


def descriptor(rng: random.Random) -> tuple[int, str]:
    """A descriptor of stage 2 at the level of pages."""
    mode = rng.choice((0, mm.MM_MODE_R, mm.MM_MODE_R | mm.MM_MODE_W, mm.MM_MODE_R | mm.MM_MODE_X))
    mode |= rng.choice((0, mm.MM_MODE_D)) if mode else 0
    value = mm.arch_mm_block_pte(0, 0x4000_0000 + rng.randrange(0x1000) * PAGE_SIZE, mm.arch_mm_mode_to_attrs(mode))
    return value, describe_descriptor(value, 0)


def run_value(rng: random.Random) -> tuple[int, str]:
    """A result of HF_VCPU_RUN."""
    code = rng.choice(list(call.HfVcpuRun))
    vm = rng.randrange(1, 6) if code is call.HfVcpuRun.WAKE_UP else 0
    data = rng.randrange(3) if code is call.HfVcpuRun.WAKE_UP else rng.randrange(1, 4097)
    data = data if code in (call.HfVcpuRun.WAKE_UP, call.HfVcpuRun.MESSAGE) else 0
    value = call.hf_vcpu_run_response(code, vm, data)
    return value, words.result(words_of_call(call.HF_VCPU_RUN), value)


def receive_value(rng: random.Random) -> tuple[int, str]:
    """A result of HF_MAILBOX_RECEIVE."""
    value = call.hf_mailbox_receive_response(rng.randrange(6), rng.randrange(1, 4097))
    return value, words.result(words_of_call(call.HF_MAILBOX_RECEIVE), value)


def words_of_call(number: int) -> call.Call:
    """The row of a call."""
    return next(row for row in call.CALLS if row.number == number)


RUNS_TO_READ = "Each is a result of HF_VCPU_RUN. Which code, which VM, which data?", run_value
READING: dict[str, tuple[str, Callable[[random.Random], tuple[int, str]]]] = {
    "02": (
        "Each is a descriptor of stage 2 at the level of pages. Which page, and what may be done with it?",
        descriptor,
    ),
    **dict.fromkeys(("00", "03", "04", "06", "12"), RUNS_TO_READ),
    "05": ("Each is a result of HF_MAILBOX_RECEIVE. From whom, and how many bytes?", receive_value),
}
"""What is taken apart, by lesson; where it says nothing, what lesson 05 is about."""
