"""Exercises and predictions: every solution passes, every misconception fails for its reason, nothing ever raises."""

import html
import itertools
import re
from inspect import isgeneratorfunction

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from runs import relay

import hfedu
from hfedu.course import notebooks
from hfedu.course.answers import answer_of, shown_source
from hfedu.course.exercises import Wrong, check, exercise_named, exercises, hint, judge, solution
from hfedu.course.forms import guest
from hfedu.course.grading import judging
from hfedu.course.grading.captured import Packer, Unpacker, cell_name
from hfedu.course.grading.judging import LONGEST_SAID, misconception
from hfedu.course.lessons.lesson12 import SCENARIOS, SUSPECTS, breaks
from hfedu.course.lessons.lesson14 import solve_policy
from hfedu.course.predictions import grade, predict, predictions
from hfedu.course.shared.orders import SENDERS, steps
from hfedu.course.shared.scenes import judge_all, result_of, run_result
from hfedu.errors import printable
from hfedu.history import FIXES
from hfedu.run.explorer import explore


def handed_in(answer):
    """An answer as a judge has it that comes out of a notebook: made again of what its cell left behind."""
    cells, names = ["import hfedu\nfrom hfedu import *", shown_source(answer)], {"__name__": "__main__"}
    for number, text in enumerate(cells):
        exec(compile(text, cell_name(number), "exec", dont_inherit=True), names)
    return Unpacker(cells, Packer(cells, names).packed(names["answer"])).unpacked().answer


TOLD = ("00-four-mailboxes", "08-route", "09-regression", "10-lost-update", "11-lost-result")
"""The answer is a machine or its order, in short: a right run beside it would be the solution."""
ANSWERED_ELSEWHERE = ("01-sum", "01-spy", "02-fill", "03-stuck", "13-primary")
"""Registers, memory or output may be wrong where the events are the right ones."""
TRUTH = ("02-faults", "04-predict")
"""The answer foretells what the machine does, and the run shows that."""


@pytest.mark.slow
@pytest.mark.parametrize("exercise_id", exercises())
def test_solution_is_right_and_misconceptions_are_wrong_for_their_reason_beside_a_right_run(exercise_id, monkeypatch):
    exercise = exercise_named(exercise_id)
    assert judge(exercise, handed_in(exercise.solution))
    verdicts = {how: judge(exercise, handed_in(answer)) for how, (answer, _) in exercise.wrong.items()}
    said = {how: printable(verdict.sentence)[:LONGEST_SAID] for how, verdict in verdicts.items()}
    if isgeneratorfunction(exercise.solution) or isinstance(exercise.solution, str):  # whose runs take long
        monkeypatch.setattr(judging, "told_to", lambda name, seed, how: said[how])
    for how, verdict in verdicts.items():
        assert verdict.state == "wrong"
        assert exercise.wrong[how][1] in verdict.sentence
        assert how in misconception(exercise, said[how]).split(" or ")
        if verdict.run is None or "does without" in verdict.sentence or exercise_id in (*TOLD, *TRUTH):
            continue
        if exercise_id in ("10-insist", "11-repair", "11-try-again") and "Nothing breaks" not in verdict.sentence:
            assert verdict.run.outcome.kind == "violation"
        if verdict.beside is None:
            assert exercise_id in ANSWERED_ELSEWHERE
            continue
        assert verdict.beside.events != verdict.run.events
        assert verdict.beside.outcome.kind in ("power off", "budget")
        if exercise_id not in ("05-arrange-send", "07-order"):
            assert verdict.beside.title == verdict.run.title
            assert verdict.beside.made["timer"] == verdict.run.made["timer"]


@pytest.mark.parametrize("exercise_id", exercises())
def test_states_of_an_answer_are_told_apart(exercise_id):
    assert check(exercise_id).state == "not attempted"
    assert check(exercise_id, ...).state == "not attempted"
    verdict = check(exercise_id, 3)
    assert verdict.state == "wrong"
    assert "This exercise wants" in verdict.sentence
    assert "not an int" in verdict.sentence

    def crashes():
        yield hfedu.configure()
        raise ZeroDivisionError("division by zero")

    verdict = check(exercise_id, crashes)
    assert verdict.judged
    if exercises()[exercise_id].takes is guest:
        assert verdict.state == "crashed"
        assert verdict.sentence == "Your answer raised ZeroDivisionError: division by zero"
    else:  # a script, or a function that gives its results one by one
        raised = re.match(r"Your answer raised TypeError: .*crashes\(\) takes 0 positional", verdict.sentence)
        assert verdict.state == "wrong" or raised


def test_an_answer_that_never_ends_is_stopped_and_judged():
    def stubborn():
        while True:
            yield hfedu.clear()

    assert check("07-second-send", stubborn).state == "wrong"


@pytest.mark.parametrize("exercise_id", exercises())
def test_hints_are_reachable_and_the_solution_is_behind_a_step(exercise_id):
    assert [hint(exercise_id, n)[:11] for n in (1, 2, 3)] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3"]
    with pytest.raises(ValueError, match="there is no hint 4"):
        hint(exercise_id, 4)
    assert "show=True" in solution(exercise_id)
    assert "answer" not in solution(exercise_id)


def test_unknown_ids_are_told_what_there_is():
    with pytest.raises(ValueError, match=r"there is no exercise '99-none': there are .*05-decode"):
        check("99-none", 1)
    with pytest.raises(ValueError, match="there is no prediction '99-none': there are 00-who-runs"):
        predict("99-none")


@pytest.mark.parametrize("prediction", predictions().values(), ids=lambda p: p.id)
def test_the_truth_of_a_prediction_is_one_of_its_options(prediction):
    run, marks = grade(prediction, [question.options[0] for question in prediction.questions])
    for mark in marks:
        assert mark.actual in mark.question.options
        assert 0 <= mark.event < len(run.events)
        assert mark.actual == mark.question.truth(run, run.events[mark.event])
        state = re.match(r"In which state is (VM \d+)'s (mailbox|vCPU)", mark.question.text)
        if state:  # whoever stands on the event sees the state that it is cited for
            path = f"{state[1].replace('VM ', 'vm')}.{'mailbox' if state[2] == 'mailbox' else 'vcpu0'}.state"
            assert run.at(mark.event)[path] == mark.actual
        if mark.question.truth in (result_of, run_result):
            assert run.events[mark.event].kind in (hfedu.Kind.RETURN, hfedu.Kind.SWITCH), "where the result comes"
    assert any(not mark.right for mark in marks), "a prediction whose first options are all right teaches little"


def test_prediction_widget_asks_judges_and_explains_every_answer():
    form = predict("07-three-sends")
    form.button.click()
    assert "Choose an answer to question 1, 2, 3, 4 first" in form.said.value
    form.answer(["0", "0", "READ", "0"])
    assert "3 of 4 right" in form.said.value
    rows = form.children[len(form.parts) : -1]
    texts, leads = [row.children[1].value for row in rows], [row.children[0] for row in rows]
    assert [text[0] for text in texts] == ["✓", "✗", "✓", "✓"]
    for question, text in zip(form.prediction.questions, texts, strict=True):
        assert html.escape(question.why) in text, "also where the answer was right"
    player = form.children[-1]
    assert "send returns -1" in str(player.recording.event(player.position))
    for lead in leads:
        lead.click()
        assert lead.description == f"event {player.position}"
    assert form.button.disabled
    with pytest.raises(ValueError, match="is none of the options"):
        predict("07-three-sends").answer(["1", "0", "READ", "0"])
    with pytest.raises(ValueError, match="has 4 questions, you gave 1"):
        predict("07-three-sends").answer(["0"])


def test_verdict_shows_itself():
    verdict = check("07-order", ["receive", "clear", "copy"])
    assert repr(verdict).startswith("07-order: wrong. The receiver copied")
    assert "✗ 07-order: wrong." in verdict._repr_html_()
    assert verdict.run is not None
    assert verdict.run.events


PRESSES = [(0, "configure"), (0, "run VM 1"), (1, "configure"), (1, "receive, block"), (0, "send to VM 1")]


def test_playground_makes_the_calls_and_says_why_one_is_refused():
    ground = hfedu.playground(3)
    for vm, name in PRESSES:
        ground.press(vm, name)
    assert "VM 0 sends 5 bytes to VM 1. It returns 0." in ground.said
    ground.press(0, "send to VM 1")
    assert "and VM 1 has not cleared it" in ground.said
    assert "It returns -1: refused." in ground.said
    ground.press(1, "clear")
    assert "VM 1 does not run: VM 0 has the CPU" in ground.said
    ground.player._answer(None, {"press": "call", "value": "run VM 1"}, None)
    assert ground.running == 1
    assert ground.player.position == len(ground.player.recording.events) - 1
    ground.restart()
    assert ground.running == 0
    with pytest.raises(ValueError, match="VM 1 has no button 'fly'"):
        ground.press(1, "fly")
    with pytest.raises(ValueError, match="a playground has 2 to 4 VMs, not 9"):
        hfedu.playground(9)


def test_who_runs_a_whole_lesson_has_attempted_nothing():
    for path in notebooks.source()[0].glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "check(" in cell.source:
                assert "not attempted" in str(cell.outputs), f"{path.name}: {cell.id}"


@pytest.mark.parametrize("lesson", notebooks.lessons(), ids=lambda lesson: lesson.number)
def test_no_name_alone_in_a_cell_is_a_magic_where_it_is_not_there_yet(lesson):
    """IPython takes `run`, alone in a cell, for %run as long as no cell above has given it a meaning."""
    magics = InteractiveShell.instance().magics_manager.magics["line"]
    for cell in notebooks.code_cells(lesson.path):
        names = re.findall(r"^\s*([a-z_]\w*)\s*(?:=(?!=)|$)", cell["source"], re.MULTILINE)
        assert cell["cell_type"] != "code" or not {"run", *magics} & set(names)


UPSTREAM = re.compile(
    r"https://github\.com/TF-Hafnium/hafnium(/(commit/[0-9a-f]{8}|(blob|tree)/aa039b39\b.*|commits/master))?$"
)


@pytest.mark.parametrize("lesson", notebooks.lessons(), ids=lambda lesson: lesson.number)
def test_a_lesson_ends_with_links_to_the_real_thing(lesson):
    _, mark, real = notebooks.cell_text(lesson.path).rpartition("**The real thing.**")
    real = real.removesuffix("\n\n[Further reading](further_reading.md): manuals, commits, papers and other courses.")
    links = re.findall(r"\]\((https://[^)]+)\)", real)
    assert mark
    assert len(set(links)) >= 2
    assert "\n\n" not in real.strip(), "it is the last paragraph"
    for link in links:
        assert "TF-Hafnium" not in link or UPSTREAM.match(link)


def test_a_lesson_leads_on_to_the_next_one_and_the_last_to_none():
    there = notebooks.lessons()
    for lesson, following in zip(there, [*there[1:], None], strict=True):
        text = notebooks.cell_text(lesson.path)
        last = text[text.rindex("## Summary") :]
        assert [line for line in last.splitlines() if line.startswith("- ")], "it says what one now knows"
        leads = re.search(r"^(?:.* )?\*\*Next\.\*\* \[[^]]*\]\(([^)]*)\)", last, re.MULTILINE)
        assert (leads[1] if leads else None) == (following.path.name if following else None), lesson.path.name


NUMBERS = "thirteen fourteen fifteen sixteen seventeen eighteen".split()


def test_no_page_writes_down_how_many_lessons_there_are():
    """Such a number is true until the next lesson: it is made, or it is not there."""
    folder = notebooks.source()[0]
    pages = [folder.parent / "README.md", folder.parent / "paper.md", *folder.rglob("*.md")]
    texts = {page.name: page.read_text("utf-8") for page in pages}
    texts |= {lesson.path.name: notebooks.cell_text(lesson.path) for lesson in notebooks.lessons()}
    for name, text in texts.items():
        for said in re.findall(rf"\b(\d\d|{'|'.join(NUMBERS)}) (?:lessons|notebooks)\b", text, re.IGNORECASE):
            assert said == str(len(notebooks.lessons())), name
            assert name in ("six_weeks.md", "two_days.md"), f"{name}: these are made"


def test_the_table_of_defects_has_all_fourteen_and_says_who_shows_them():
    book = nbformat.read(notebooks.source()[0] / "12_fourteen_defects.ipynb", as_version=4)
    table = next(cell.source for cell in book.cells if "| repair written |" in cell.source)
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines() if "| `" in line]
    assert {row[0]: row[2] for row in rows} == {fix.id: fix.shown_by for fix in FIXES.values()}


@pytest.mark.slow
def test_one_suspect_is_right_and_every_other_shows_itself_somewhere():
    assert [letter for letter in SUSPECTS if not breaks(letter)] == ["F"]


@pytest.mark.slow
@pytest.mark.parametrize("letter", SUSPECTS)
def test_whatever_exploring_a_suspect_shows_is_right_to_name(letter):
    for scenario in SCENARIOS.values():
        for violation in explore(scenario, profile="fixed", changes=[SUSPECTS[letter]]).violations:
            assert breaks(letter, violation.invariant)


def test_a_table_of_steps_has_a_column_for_each_cpu_and_says_who_waits():
    rows = steps(SENDERS, [0, 1, 0], last=3).splitlines()
    assert rows[0].split() == ["step", "CPU", "0", "CPU", "1"]
    assert rows[3].split("  ", 2)[2].startswith("takes VM 0's lock")
    assert rows[3].endswith("(waits for VM 0's lock)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exercise_id", "name"),
    [("10-insist", "sends once"), ("10-insist", "sends something else"), ("11-try-again", "runs three times")],
)
def test_an_answer_that_fails_in_some_order_gets_that_order_as_a_recording(exercise_id, name):
    verdict = check(exercise_id, exercises()[exercise_id].wrong[name][0])
    assert "The shortest that fails has" in verdict.sentence
    assert verdict.run.events[-1].kind is hfedu.Kind.END
    assert verdict.run.outcome.kind == "violation"


ARRANGED = [exercise for exercise in exercises().values() if exercise.pieces]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exercise_id", "right"), [("05-arrange-send", 4), ("10-arrange-receive", 3), ("11-arrange-switch", 22)]
)
def test_of_all_orders_those_that_behave_right_pass_and_every_other_is_shown(exercise_id, right):
    exercise = exercises()[exercise_id]
    verdicts = [check(exercise_id, order) for order in itertools.permutations(exercise.pieces)]
    passed = [verdict for verdict in verdicts if verdict.state == "right"]
    assert len(passed) == right, "alternatives that are right pass, too"
    for verdict in verdicts:
        assert verdict.state in ("right", "wrong")
        assert verdict.run is not None
        assert (verdict.beside is not None) == (verdict.state == "wrong")


@pytest.mark.slow
@pytest.mark.parametrize("exercise", ARRANGED, ids=lambda exercise: exercise.id)
def test_steps_are_moved_checked_and_shown(exercise):
    form = hfedu.arrange(exercise.id)
    assert form.order == list(exercise.pieces)
    form.button.click()
    assert f"✗ {exercise.id}: wrong." in form.said.value, "as it stands it is no solution"
    (pair,) = form.shown.children
    assert [run.title.rpartition(": ")[2] for run in pair.recordings] == ["your answer", "right"]
    solved = exercise.solution
    for place, step in enumerate(solved):
        form.list.value = step
        while form.order.index(step) > place:
            form.up.click()
    assert form.order == solved
    assert form.list.value == solved[-1]
    form.button.click()
    assert f"✓ {exercise.id}: right." in form.said.value
    assert len(form.shown.children) == 1


def test_a_step_moves_no_further_than_the_end_and_must_be_there():
    form = hfedu.arrange("07-order")
    form.move("clear", 5)
    assert form.order == ["copy", "receive", "clear"]
    assert "“clear” is step 3 of 3." in form.said.value
    form.down.click()
    assert form.order == ["copy", "receive", "clear"]
    with pytest.raises(hfedu.Mistake, match="there is no step 'fly': there are copy, receive, clear"):
        form.move("fly", 1)
    with pytest.raises(
        hfedu.Mistake, match="the answer to 05-echo is no order of steps: arrange takes 05-arrange-send"
    ):
        hfedu.arrange("05-echo")
    data, _ = form.picture()
    assert data["text/plain"].splitlines()[1:] == [
        "1. copy",
        "2. receive",
        "3. clear",
        'From code: check("07-order", [the steps in order])',
    ]


def test_each_step_must_be_used_once():
    verdict = check("05-arrange-send", ["check the size"])
    assert verdict.sentence.startswith("Use each of the 5 steps once. Left out: wake the vCPU that waits, copy message")
    assert "You gave" in check("07-order", ["copy", "copy", "receive", "clear"]).sentence


def test_a_forgotten_yield_is_named():
    def bare():
        hfedu.vcpu_run(1)

    def counts():
        for vm in range(1, hfedu.vm_count()):
            yield hfedu.vcpu_run(vm)

    assert "There is no yield in it" in check("03-each", bare).sentence
    verdict = check("03-each", counts)
    assert verdict.state == "crashed"
    assert "Is there a yield before the call?" in verdict.sentence


def displayed(verdict) -> list[dict]:
    shell = InteractiveShell.instance()
    with capture_output() as captured:
        shell.display_formatter.format(verdict)
    data = shell.display_formatter.format(verdict)[0]
    InteractiveShell.clear_instance()
    return [output.data for output in captured.outputs] or [data]


def test_a_verdict_shows_its_sentence_and_a_wrong_order_beside_the_right_one():
    (data,) = displayed(check("07-order"))
    assert set(data) == {"text/plain", "text/html"}, "a verdict without a run is shown as ever"
    sentence, both, players, _ = displayed(check("07-order", ["receive", "clear", "copy"]))
    assert "✗ 07-order: wrong." in sentence["text/html"]
    assert any("widget-view" in kind for kind in players)
    assert "<td>here: " in both["text/html"]
    assert ": your answer" in both["text/plain"]
    sentence, _, run, *_ = displayed(check("07-order", ["receive", "copy", "clear"]))
    assert "✓ 07-order: right." in sentence["text/html"]
    assert any("widget-view" in kind for kind in run)


def test_of_several_runs_that_fail_the_one_that_shows_it_soonest_is_given_and_ends_there():
    disk = relay().made["ramdisk"]
    runs = [hfedu.boot(disk, title=str(number)) for number in range(3)]

    def judge(run):
        at = {"0": None, "1": 12, "2": 9}[run.title]
        raise Wrong(f"{run.title} fails at {at}", at=at)

    with pytest.raises(Wrong, match="2 fails at 9") as found:
        judge_all((judge, run) for run in runs)
    assert found.value.run.events[:10] == runs[2].events[:10]
    assert found.value.run.events[-1].kind is hfedu.Kind.END
    assert len(found.value.run.events) < 14


RELAY = hfedu.asset("relay.bin")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ([0, 1, 0, 1], "[0, 1, 0, 1]"),
        ([0] * 16 + [1] * 10 + [0], "[0] * 16 + [1] * 10 + [0]"),
        ([RELAY] * 3, '[asset("relay.bin")] * 3'),
        (bytes([2, 1]) + b"hi", 'bytes([2, 1]) + b"hi"'),
        ({(0xFFFF, 3), (0, 1)}, "{(0, 1), (0xffff, 3)}"),
        ({"A": "waiters"}, '{"A": "waiters"}'),
        ("    wfi\n", '"""    wfi\n"""'),
        ("putc('\\n');\n", 'r"""putc(\'\\n\');\n"""'),
        (["a" * 60, "b" * 60], f'[\n    "{"a" * 60}",\n    "{"b" * 60}",\n]'),
    ],
)
def test_a_value_is_shown_as_one_would_write_it(answer, shown):
    assert shown_source(answer).removeprefix("from hfedu import asset\n\n") == f"answer = {shown}\n"
    assert answer_of(shown_source(answer)) == answer


def test_a_function_is_shown_with_the_imports_that_it_needs():
    assert shown_source(solve_policy) == (
        "from hfedu.course.lessons.lesson14 import POLICY\n\ndef answer(sender, to):\n"
        "    return to in POLICY.get(sender, ())\n"
    )
    assert "solve_" not in "".join(solution(exercise_id, show=True) for exercise_id in exercises())
