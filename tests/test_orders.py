"""Orders in the notebook: counterexamples, comparisons, graphs, and the form in which the learner schedules."""

import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from test_explorer import RACE, SENDERS, SLEEP, broken_guest, ready, run_vm_1, send_only

import hfedu
from hfedu import Kind, Scenario
from hfedu.course.predictions import grade, predictions
from hfedu.run import words
from hfedu.run.invariants import Invariant
from hfedu.run.stepper import Stepper
from hfedu.view import exploration
from hfedu.view.rows import row_label
from hfedu.view.scene import Line, Mark, Text
from hfedu.widgets import progress
from hfedu.widgets.orders import YouSchedule


@pytest.fixture(scope="module")
def race():
    return hfedu.explore(RACE)


def of(found, name: str) -> int:
    """The number of the violation of an invariant."""
    return next(i for i, violation in enumerate(found.violations) if violation.invariant == name)


def shown(thing) -> list[dict]:
    """What a notebook gets to show."""
    InteractiveShell.instance()
    with capture_output() as captured:
        thing._ipython_display_()
    InteractiveShell.clear_instance()
    return [output.data for output in captured.outputs]


def press(form, name, value="") -> None:
    """What the front end tells when something is pressed in the player."""
    form.player._answer(None, {"press": name, "value": str(value)}, None)


def offered(form) -> set[int]:
    """The CPUs that can be chosen."""
    return {int(row["options"][0]["value"]) for row in form.player.guide["rows"] if not row["options"][0]["off"]}


def invariant(name: str) -> Invariant:
    return next(invariant for invariant in hfedu.INVARIANTS if invariant.name == name)


def test_a_counterexample_is_a_run_that_ends_at_the_fatal_step(race):
    for i, violation in enumerate(race.violations):
        run = race.counterexample(i)
        assert isinstance(run, hfedu.Run)
        assert run.outcome.kind == "violation"
        assert run.events[-1].kind is Kind.END
        assert violation.invariant in run.events[-1].text
        assert violation.sentence in run.events[-1].text
        assert run.events[-2].cpu == violation.schedule[-1]
        assert words.names_in_words(violation.sentence) in run.transcript().splitlines()[-1]
    assert any("widget-view" in kind for data in shown(race.counterexample()) for kind in data)


def test_violations_are_counted_from_0(race):
    assert race.counterexample().events == race.counterexample(0).events
    for wrong in (-1, len(race.violations), "live-once"):
        with pytest.raises(hfedu.Mistake, match=f"there is no violation {wrong!r}: 5 were found, counted from 0"):
            race.counterexample(wrong)


def test_the_first_difference_of_the_register_race_is_that_nothing_was_saved(race):
    comparison = race.compare(of(race, "live-once"))
    assert comparison.first == comparison.violation.steps
    assert comparison.first_event() == len(comparison.failing.events) - 2, "what comes before is the same in both"
    assert comparison.sentence == (
        f"At step {comparison.first} CPU 1 restores the registers of VM 1 vCPU 0 and runs it before CPU 0 saves the "
        "registers of VM 1 vCPU 0. In the nearest order that keeps live-once, CPU 0 does that first."
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["switch-unlocked", "reason", "live-once", "registers-kept", "result-kept"])
def test_the_passing_order_is_the_nearest(race, name):
    """It ends and keeps the invariant; whoever agrees one step longer with the failing order breaks it."""
    comparison = race.compare(of(race, name))
    failing, passing = ([step.cpu for step in steps] for steps in (comparison.failing_steps, comparison.passing_steps))
    run = Stepper(RACE, 2, {}, race.invariants, passing)
    assert run.over
    assert name not in run.broken
    assert comparison.passing.outcome.kind == "power off"
    same = comparison.first - 1
    assert failing[:same] == passing[:same]
    assert failing[same] != passing[same]
    assert not keeps(failing[: same + 1], name)


def keeps(begin: list[int], name: str) -> bool:
    """Whether any order with this beginning keeps an invariant: tries each, to its end or until it breaks it."""
    waiting = [begin]
    while waiting:
        schedule = waiting.pop()
        run = Stepper(RACE, 2, {}, [invariant(name)], schedule)
        if name in run.broken:
            continue
        if run.over:
            return True
        waiting += [[*schedule, cpu] for cpu in run.able()]
    return False


def test_where_no_order_passes_it_says_so():
    found = hfedu.explore(SLEEP)
    comparison = found.compare(of(found, "deliverable"))
    assert comparison.passing is None
    assert comparison.sentence == "No order of these steps keeps deliverable and comes to a good end: all were tried."
    assert comparison.first_event() == len(comparison.failing.events) - 1


def test_a_comparison_shows_both_orders_and_marks_the_difference(race):
    comparison = race.compare(of(race, "result-kept"))
    table, picture, players, _ = shown(comparison)
    lines = table["text/plain"].splitlines()
    assert lines[0].startswith("result-kept: A vCPU that resumes after a call finds the call's result in x0. Broken: ")
    assert [line.split()[0] for line in lines if "≠" in line] == [str(comparison.first)]
    assert [line.split()[0] for line in lines if "✗ breaks it" in line] == [str(comparison.violation.steps)]
    assert table["text/html"].count("<tr>") == len(list(comparison.rows())) + 1
    assert any("widget-view" in kind for kind in players)
    assert picture["image/svg+xml"].startswith("<svg ")
    assert comparison.sentence in picture["text/plain"]


def test_an_exploration_shows_violations_coverage_and_graph(race):
    table, graph = shown(race)
    assert table["text/plain"] == repr(race)
    text = table["text/html"]
    for violation in race.violations:
        assert f">{violation.invariant}<" in text
    assert f"{race.states:,} states" in text
    assert "weak memory is not modelled" in text
    assert graph["image/svg+xml"].startswith("<svg ")
    assert "live-once at step" in graph["text/plain"]


def test_a_bound_is_never_shown_as_no_violation():
    found = hfedu.explore(RACE, [invariant("live-once")], preemptions=0)
    assert not found.violations
    assert "was broken so far, and not everything was tried" in exploration.findings_table(found)
    assert "At most 0 preemptions" in exploration.findings_table(found)
    assert "the states that were reached" in {s.text.split(": ")[-1].split(",")[0] for s in texts(found)}
    assert "No order breaks any" in exploration.findings_table(hfedu.explore(SENDERS, [invariant("live-once")]))


def texts(found) -> list[Text]:
    return [shape for shape in exploration.graph_scene(found).shapes if isinstance(shape, Text)]


def test_the_graph_has_every_state_and_every_move(race):
    scene = exploration.graph_scene(race, of(race, "live-once"))
    marks = [shape for shape in scene.shapes if isinstance(shape, Mark)]
    legend = 3
    assert sum(mark.role in ("state", "step", "cpu", "bad") for mark in marks) == race.states + legend - 1
    lines = [shape for shape in scene.shapes if isinstance(shape, Line)]
    assert len(lines) == len(race.graph.cpus) + 2
    assert {line.role for line in lines} == {"edge-0", "edge-1", "path-0", "path-1"}
    path = [line for line in lines if line.role.startswith("path") and line.y1 < scene.height - 130]
    assert path[0].x1 == min(mark.x for mark in marks if mark.role == "step")
    named = [text for text in texts(race) if re.fullmatch(r"[\d,]+", text.text)]
    assert sorted(",".join(text.text for text in named).split(",")) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("scenario", [RACE, SENDERS, SLEEP], ids=lambda scenario: scenario.name)
def test_in_a_graph_no_state_covers_another(scenario):
    places = exploration.lay_out(hfedu.explore(scenario).graph)
    assert len(set(places)) == len(places)


def test_large_spaces_are_not_drawn_but_said(race, monkeypatch):
    monkeypatch.setattr(exploration, "MOST_STATES", 100)
    assert shown(race)[1] == {"text/plain": "136 states are too many for a picture, which holds 100."}


def test_progress_shows_only_what_takes_long_and_goes_away(monkeypatch):
    class Terminal:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

        def isatty(self):
            return True

    for patience, lines in ((0, True), (3600, False)):
        terminal = Terminal()
        monkeypatch.setattr(progress, "PATIENCE", patience)
        monkeypatch.setattr("sys.stderr", terminal)
        hfedu.explore(SLEEP)
        assert bool(terminal.text) == lines
    terminal = Terminal()
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr("sys.stderr", terminal)
    hfedu.explore(SLEEP)
    assert "states so far" in terminal.text
    assert terminal.text.endswith("\r")
    assert not terminal.text.split("\r")[-2].strip()


def test_interrupting_gives_what_was_found():
    def stop(depth, states):
        if depth > 20:
            raise KeyboardInterrupt

    found = hfedu.explore(RACE, progress=stop)
    assert "Interrupted" in found.bounds
    assert isinstance(found.counterexample(), hfedu.Run)


def failing_schedule(found, name: str) -> tuple[int, ...]:
    return found.violations[of(found, name)].schedule[found.setup :]


@pytest.mark.slow
def test_you_schedule_to_a_violation_and_back(race):
    form = hfedu.you_schedule(RACE)
    schedule = failing_schedule(race, "live-once")
    for cpu in schedule[:-1]:
        press(form, "cpu", cpu)
    assert "live-once" not in form.said
    assert "restores the registers of VM 1 vCPU 0" in form.next[schedule[-1]]
    press(form, "cpu", schedule[-1])
    assert form.schedule == schedule
    assert "Broken: live-once. VM 1 vCPU 0 is live on CPU 0 and on CPU 1." in form.said
    assert f"✗ <b>live-once, broken at step {len(schedule)}</b>" in form.rules.value
    assert "running, on CPU 0, on CPU 1" in form.state.value
    press(form, "back")
    assert form.schedule == schedule[:-1]
    assert f"broken at step {len(schedule)}" not in form.rules.value
    assert form.player.recording.events == chosen(schedule[:-1]).player.recording.events


def chosen(schedule) -> YouSchedule:
    form = hfedu.you_schedule(RACE)
    for cpu in schedule:
        form.choose(cpu)
    return form


def test_a_button_that_cannot_be_pressed_says_why(race):
    form = hfedu.you_schedule(RACE)
    while "takes VM 1's lock" not in form.next[1]:
        form.choose(1)
    form.choose(1)
    while 0 in offered(form):
        form.choose(0)
    assert form.next[0] == "waits for VM 1's lock, which CPU 1 holds"
    assert "VM 1&#x27;s lock</th><td>CPU 1" in form.state.value
    form.choose(0)
    assert "CPU 0 cannot go on: waits for VM 1's lock, which CPU 1 holds." in form.said
    with pytest.raises(hfedu.Mistake, match="there is no CPU 2: there are CPUs 0 to 1"):
        form.choose(2)


def test_what_a_button_says_is_what_happens(race):
    form = hfedu.you_schedule(RACE)
    while not form.run.over:
        cpu = form.run.able()[len(form.schedule) % len(form.run.able())]
        said = form._will(cpu)
        form.choose(cpu)
        assert form.run.taken[-1].text == said
    assert not offered(form)
    assert "The run is over: The primary powered the machine off." in form.said


NAMES_OF_STATES = re.compile(r"BLOCKED|READY|RUNNING|\bOFF\b|\b\d+ B\b")


def test_states_and_sizes_are_said_as_the_player_says_them():
    form = hfedu.you_schedule(SENDERS, [invariant("live-once")])
    seen = set()
    while not form.run.over:
        form.choose(form.run.able()[0])
        shown = [form.state.value, form.said, *form.next, *map(row_label, form.run.recording().events)]
        assert not [text for text in shown if NAMES_OF_STATES.search(text)]
        seen.update(re.findall(r"<td>(waits for a message|ready|running, on [^<]*)<", form.state.value))
    assert {"waits for a message", "ready", "running, on CPU 0"} <= seen


def test_start_again(race):
    form = chosen([0, 0, 1])
    press(form, "restart")
    assert form.schedule == ()
    assert [button["name"] for button in form.player.guide["buttons"] if not button["off"]] == ["shortest"]
    assert repr(form) == repr(hfedu.you_schedule(RACE))


@pytest.mark.slow
def test_the_shortest_way_is_shown(race):
    form = hfedu.you_schedule(RACE, [invariant("live-once")])
    press(form, "shortest")
    said, player = form.answer.children
    violation = race.violations[of(race, "live-once")]
    assert f"The shortest way breaks live-once at step {violation.steps}: VM 1 vCPU 0 is live on" in said.value
    assert player.recording.outcome.kind == "violation"
    assert player.position == len(player.recording.events) - 2
    assert form.children.index(form.answer) == form.children.index(form.player) - 1, "above the run"
    form.choose(form.run.able()[0])
    assert not form.answer.children


def test_where_there_is_no_way_it_says_so():
    form = hfedu.you_schedule(SENDERS, [invariant("live-once")])
    form.shortest()
    (said,) = form.answer.children
    assert "No order breaks any of them. Every order was tried." in said.value


@pytest.mark.slow
def test_with_the_repair_the_race_is_gone():
    assert "live-once" in {v.invariant for v in hfedu.explore(RACE, [invariant("live-once")]).violations}
    assert not hfedu.explore(RACE, [invariant("live-once")], fixes=["regs-race"]).violations
    form = hfedu.you_schedule(RACE, [invariant("live-once")], fixes=["regs-race"])
    form.shortest()
    assert "No order breaks any of them" in form.answer.children[0].value


def test_a_hang_of_the_hypervisor_is_said():
    form = hfedu.you_schedule(Scenario("fault", "", ready, (run_vm_1, send_only), (broken_guest,)))
    while 0 in form.run.able():
        form.choose(0)
    assert "Broken: hang. VM 1 made a load or store outside its memory." in form.said
    assert "broken at step" in form.rules.value
    assert "spins for ever" in form.next[0]
    assert 1 in form.run.able()


def test_the_form_without_a_kernel_is_a_picture_and_stable_text(race):
    data, metadata = chosen([0, 1]).picture()
    assert data["image/svg+xml"].startswith("<svg ")
    assert "alt" in metadata["image/svg+xml"]
    again, _ = chosen([0, 1]).picture()
    assert data["text/plain"] == again["text/plain"]
    assert data["text/plain"].startswith("You schedule race: 2 steps on 2 CPUs")
    assert "IPY_MODEL" not in data["text/plain"]


def test_one_cpu_is_nothing_to_schedule():
    with pytest.raises(hfedu.Mistake, match="there is nothing to schedule on 1 CPUs: give it 2 or more"):
        hfedu.you_schedule(RACE, cpus=1)


@pytest.mark.parametrize(
    ("prediction", "actual", "kinds"),
    [
        ("10-two-senders", ["0", "-1", "“two”"], [Kind.RETURN, Kind.RETURN, Kind.DELIVER]),
        ("11-race", ["0", "VM 1 runs on CPU 1", "2"], [Kind.RETURN, Kind.SWITCH, Kind.SWITCH]),
    ],
)
def test_predictions_stand_where_it_shows(prediction, actual, kinds):
    found = predictions()[prediction]
    run, marks = grade(found, [question.options[0] for question in found.questions])
    assert [mark.actual for mark in marks] == actual
    assert [run.events[mark.event].kind for mark in marks] == kinds
