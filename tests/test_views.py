"""Pictures and text: nothing overlaps, nothing is cut, and they hold the same facts."""

import inspect
import itertools
import json
import re
import xml.etree.ElementTree

import pytest
from conftest import one
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from runs import before_the_commit, crowd, pingpong, refusals, relay
from test_explorer import RACE
from test_smp import boot

import hfedu
from hfedu import Kind
from hfedu.notebook import Run
from hfedu.run import words
from hfedu.run.kinds import KINDS, TRAPS
from hfedu.run.recording import Actor
from hfedu.view.player import player_data
from hfedu.view.repeats import repeats
from hfedu.view.rows import row_label
from hfedu.view.scene import FONT_SIZES, Line, Mark, Rect, Scene, Text, text_width
from hfedu.view.sequence import MAX_ROWS, sequence
from hfedu.view.svg import svg
from hfedu.view.text import transcript
from hfedu.view.theme import DARK, LIGHT, styles

NAMES = ["broadcast_3", "chain_relay_4", "wfi_never_resumes", "rand_0001", "sec_read_unmapped", "boot_zero_vcpus"]


def run_of(name: str) -> Run:
    return hfedu.boot(one(name).initrd, max_instructions=10_000_000, title=name)


def just_booted() -> Run:
    machine = hfedu.Machine(one("broadcast_3").initrd)
    machine.boot()
    return machine.recording()


def box(text: Text) -> tuple[float, float, float, float]:
    """left, top, right, bottom of a text's ink."""
    kind = text.role.partition("-")[0]
    width, height = text_width(text.text, kind if kind in FONT_SIZES else "label"), FONT_SIZES.get(kind, 10)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, text.y - height * 0.75, left + width, text.y + height * 0.2


def overlaps(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


RUNS = {name: lambda name=name: run_of(name) for name in NAMES} | {
    "2 VMs": lambda: crowd(2, 4),
    "12 VMs": lambda: crowd(12, 30),
    "5000 events": lambda: crowd(5, 1000),
    "nothing yet": lambda: just_booted(),
    "before the commit": before_the_commit,
}
SEVERAL_CPUS = {f"2 CPUs, {schedule}": lambda schedule=schedule: boot(schedule) for schedule in (1, 2, "every 1")} | {
    f"counterexample {i}": lambda i=i: hfedu.explore(RACE).counterexample(i) for i in range(5)
}
RUNS |= SEVERAL_CPUS


@pytest.mark.parametrize("name", RUNS)
def test_no_text_overlaps_another_or_leaves_the_picture(name):
    scene = sequence(RUNS[name]())
    texts = [(shape, box(shape)) for shape in scene.shapes if isinstance(shape, Text)]
    for text, (left, top, right, bottom) in texts:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= scene.width, text
        assert bottom <= scene.height, text
    for (a, box_a), (b, box_b) in itertools.combinations(texts, 2):
        assert not overlaps(box_a, box_b), f"{a} overlaps {b}"


@pytest.mark.parametrize("name", [name for name in RUNS if name != "12 VMs"])
def test_no_text_lies_on_a_lifeline_or_a_mailbox(name):
    scene = sequence(RUNS[name]())
    upright = [
        s
        for s in scene.shapes
        if isinstance(s, Rect) and s.role.startswith(("running", "mailbox")) and s.seq is not None
    ]
    lines = [s for s in scene.shapes if isinstance(s, Line) and s.x1 == s.x2 and s.seq is not None]
    beside = ("end", "end-fatal", "fold", "cpu-inverse")
    for text in (s for s in scene.shapes if isinstance(s, Text) and s.seq is not None and s.role not in beside):
        left, top, right, bottom = box(text)
        for rect in upright:
            assert not overlaps(
                (left, top, right, bottom), (rect.x, rect.y, rect.x + rect.width, rect.y + rect.height)
            ), text
        for line in lines:
            assert not (left < line.x1 < right and line.y1 < bottom and top < line.y2), text


@pytest.mark.parametrize("name", RUNS)
def test_no_head_covers_another(name):
    heads = [s for s in sequence(RUNS[name]()).shapes if isinstance(s, Rect) and s.role in ("vm", "hypervisor")]
    boxes = [(head.x, head.y, head.x + head.width, head.y + head.height) for head in heads]
    assert len(boxes) > 1
    for a, b in itertools.combinations(boxes, 2):
        assert not overlaps(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_every_event_has_a_row_and_every_call_an_arrow_with_words(name):
    run = run_of(name)
    scene = sequence(run, 0, MAX_ROWS - 1)
    shown = run.events[:MAX_ROWS]
    assert set(scene.rows) == {event.seq for event in shown}
    for event in shown:
        if event.kind in (*TRAPS, Kind.DELIVER, Kind.WAKE, Kind.RETURN, Kind.SWITCH):
            assert any(isinstance(s, Line) and s.arrow and s.seq == event.seq for s in scene.shapes), event
            assert any(
                isinstance(s, Text) and s.seq == event.seq and s.text == words.label(event) for s in scene.shapes
            )


@pytest.mark.parametrize("name", SEVERAL_CPUS)
def test_every_event_is_marked_in_the_column_of_its_cpu(name):
    run = SEVERAL_CPUS[name]()
    scene = sequence(run)
    heads = {s.text: s.x for s in scene.shapes if isinstance(s, Text) and s.role == "head" and s.text.isdecimal()}
    assert set(heads) == {"0", "1"}
    marks = {s.seq: s.x for s in scene.shapes if isinstance(s, Mark) and s.role == "cpu"}
    for event in run.events:
        if event.kind not in (Kind.LOAD, Kind.END):
            assert marks.pop(event.seq) == heads[str(event.cpu)]
    assert set(marks) == {None}, "the legend has one, and nobody else"


@pytest.mark.parametrize("name", RUNS)
def test_every_row_shows_something(name):
    run = RUNS[name]()
    scene = sequence(run)
    said = {s.seq for s in scene.shapes if isinstance(s, Text) and not s.role.startswith(("number", "state"))}
    for event in run.events:
        if event.seq in scene.rows and event.kind is not Kind.LOAD:
            assert event.seq in said, event


def test_one_cpu_needs_no_column():
    scene = sequence(run_of("broadcast_3"))
    assert not [s for s in scene.shapes if s.role.startswith("cpu")]
    assert "CPUs" not in scene.alt


def test_running_bars_say_which_cpu_holds_the_vcpu():
    found = hfedu.explore(RACE)
    number = next(i for i, violation in enumerate(found.violations) if violation.invariant == "live-once")
    scene = sequence(found.counterexample(number))
    bars = [s for s in scene.shapes if isinstance(s, Rect) and s.role == "running" and s.seq is not None]
    digits = [s for s in scene.shapes if isinstance(s, Text) and s.role == "cpu-inverse" and s.seq is not None]
    assert len(digits) == len(bars)
    last = max(bar.seq for bar in bars)
    assert sorted(digit.text for digit in digits if digit.seq == last) == ["0", "1"], "it is live twice at the end"


def test_the_fatal_step_is_framed_and_named():
    run = hfedu.explore(RACE).counterexample(0)
    scene = sequence(run)
    (frame,) = [s for s in scene.shapes if isinstance(s, Rect) and s.role == "fatal"]
    assert frame.seq == len(run.events) - 2
    assert frame.y <= scene.rows[frame.seq][0]
    assert frame.y + frame.height >= scene.rows[len(run.events) - 1][1]
    said = " ".join(s.text for s in scene.shapes if isinstance(s, Text) and s.role == "end-fatal")
    assert said == words.names_in_words(run.events[-1].text)
    assert "vm1" not in said
    assert "fatal" not in {s.role for s in sequence(boot(1)).shapes}


def test_transcript_of_several_cpus_has_a_column_for_each_and_plain_words():
    lines = boot("every 1").transcript().splitlines()[1:]
    columns = (
        {line.index("cpu0") for line in lines if "cpu0" in line},
        {line.index("cpu1") for line in lines if "cpu1" in line},
    )
    assert columns == ({7}, {13})
    text = "\n".join(lines)
    assert "CPU 0 goes on: drops VM 1 vCPU 0's lock" in text
    assert "CPU 1 goes on: takes VM 0's lock" in text
    assert not re.search(r"switches to *:|\b(acquire|release) |vm\d", text)


@pytest.mark.slow
def test_a_switch_that_was_interrupted_says_how_far_it_came():
    found = hfedu.explore(RACE)
    texts = [found.counterexample(i).transcript() for i in range(5)]
    texts += [found.compare(i).passing.transcript() for i in range(5)]
    together = "\n".join(texts)
    assert "CPU 0 begins to switch" in together or "CPU 0 goes on: begins to switch" in together
    assert "CPU 0 goes on: saves the registers of VM 1 vCPU 0" in together
    assert "switches to :" not in together


def test_a_vcpu_that_was_saved_is_no_longer_drawn_as_running():
    found = hfedu.explore(RACE)
    number = next(i for i, violation in enumerate(found.violations) if violation.invariant == "live-once")
    scene = sequence(found.compare(number).passing)
    bars = [s for s in scene.shapes if isinstance(s, Rect) and s.role == "running" and s.seq is not None]
    for a, b in itertools.combinations(bars, 2):
        assert a.y + a.height <= b.y or b.y + b.height <= a.y or abs(a.x - b.x) > 20, "never two bars side by side"


@pytest.mark.parametrize("kind", ["acquire", "release", "block", "read", "clear", "configure", "interrupt", "abort"])
def test_every_step_has_words(kind):
    assert not words.step_words(kind, "vm1").startswith(kind)
    assert "VM 1" in words.step_words(kind, "vm1")


@pytest.mark.parametrize("name", NAMES)
def test_in_the_transcript_every_hypercall_is_one_line(name):
    """The guests print a line for each call they made and came back from: the transcript has them all, with results."""
    run = run_of(name)
    lines = run.transcript().splitlines()[1:]
    assert len(lines) == len(run.events)
    for event, line in zip(run.events, lines, strict=True):
        assert re.match(rf" *{event.seq} ", line)
    calls = [line for line in lines if " calls HF_" in line or " calls hvc" in line or " calls PSCI_" in line]
    assert len(calls) == sum(event.kind is Kind.HYPERCALL for event in run.events)
    printed = re.findall(r"^V\d #\d+ hvc", run.uart, re.M)
    assert 0 < len(printed) <= len(calls)
    returns = [line for line in lines if re.search(r" vCPU \d+'s \w+ returns |: \w+ = ", line)]
    assert len(printed) <= len(returns) <= len(calls), "with results: at once, or with the CPU"


def test_transcript_decodes_arguments_and_results():
    text = run_of("broadcast_3").transcript()
    assert "VM 0 vCPU 0 calls HF_MAILBOX_SEND(VM 1, 20 bytes)\n" in text
    assert "VM 1 vCPU 0 wakes up                                             [VM 1" in text
    assert "  VM 0 vCPU 0's send returns 0\n" in text
    assert "VM 2 vCPU 0 calls HF_MAILBOX_SEND(VM 0, 21 bytes)\n   51  cpu0    VM 2 vCPU 0's send returns -1\n" in text
    assert "CPU 0 switches to VM 0 vCPU 0: run = MESSAGE(22 bytes)" in text
    assert "CPU 0 switches to VM 1 vCPU 0: receive = VM 0, 20 bytes" in text
    assert "VM 3 mailbox: READ -> EMPTY" in text


def test_the_interface_before_the_commit_has_words_of_its_own():
    run = before_the_commit()
    text = run.transcript()
    for said in (
        "VM 0 vCPU 0 calls RPC_REQUEST(VM 1, 8 bytes)\n",
        "VM 0 vCPU 0's rpc_request returns 1\n",
        "now PENDING: “question”",
        "VM 1 vCPU 0 calls RPC_READ_REQUEST(no block) ",
        "VM 1 vCPU 0's rpc_read_request returns 8 bytes\n",
        "VM 1 vCPU 0 calls RPC_REPLY(6 bytes, ack 1) ",
        "VM 1 vCPU 0's rpc_reply returns 0 ",
        "run = RESPONSE_READY(6 bytes)",
        "VM 1 vCPU 0 calls RPC_REPLY(5 bytes, ack 0)\n   30  cpu0    VM 1 vCPU 0's rpc_reply returns -1\n",
        "run = WAIT_FOR_INTERRUPT",
        "rpc_read_request = 4 bytes",
        "VM 0 vCPU 0 calls RPC_ACK() ",
        "VM 0 vCPU 0's rpc_ack returns 0\n",
    ):
        assert said in text
    assert not re.search(r"HF_MAILBOX|MESSAGE|EMPTY|RECEIVED", text)
    wake = next(event for event in run.events if event.kind is Kind.WAKE)
    assert ["VM 1 vCPU 0 x0", "0x0", "0x4: 4 bytes"] in words.change_rows(wake)
    assert {"IDLE", "PENDING", "INFLIGHT", "ack"} <= {s.text for s in sequence(run).shapes if isinstance(s, Text)}
    assert run.mailbox(1, len(run.events) - 1).alt.endswith("INFLIGHT")
    assert "rpc_reply" in run.render("mmd").decode()


@pytest.mark.parametrize(
    ("fmt", "head"), [("svg", b"<svg "), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("mmd", b"sequenceDiagram")]
)
def test_formats(fmt, head):
    run = run_of("broadcast_3")
    picture = run.render(fmt)
    assert picture.startswith(head)
    assert picture == run.render(fmt), "the same run must give the same bytes"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["12 VMs", "5000 events", "before the commit", "2 CPUs, 1", "counterexample 0", "mailbox"]
)
def test_an_svg_says_all_of_its_scene_and_has_its_looks_where_nobody_takes_them_out(name, theme):
    """Who shows notebooks to the public takes style sheets, classes and links out of a picture."""
    scene = relay().mailbox(1, 9) if name == "mailbox" else sequence((RUNS | SEVERAL_CPUS)[name]())
    picture = xml.etree.ElementTree.fromstring(svg(scene, theme))
    elements = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in picture.iter()}
    assert elements <= {"svg", "title", "rect", "line", "polygon", "path", "circle", "text"}
    looks = {name for element in picture.iter() for name in element.attrib}
    assert not looks & {"style", "class", "id", "href"}
    assert picture.find("{*}title").text == scene.alt
    assert picture.get("role") == "img"
    texts = sorted((shape.text, f"{shape.x:.2f}") for shape in scene.shapes if isinstance(shape, Text))
    assert sorted((text.text or "", f"{float(text.get('x')):.2f}") for text in picture.iterfind("{*}text")) == texts
    arrows = sum(isinstance(shape, Line) and shape.arrow for shape in scene.shapes)
    assert len(picture.findall("{*}polygon")) == arrows
    colours = {each for element in picture.iter() for key in ("fill", "stroke") if (each := element.get(key))}
    assert colours <= {*{"light": LIGHT, "dark": DARK}[theme], "none"}


def test_mermaid_names_everyone_and_leaves_nothing_out():
    run = run_of("chain_relay_4")
    lines = run.render("mmd").decode().splitlines()
    participants = [line.split()[1] for line in lines if line.strip().startswith("participant")]
    assert participants == ["H", "V0_0", "V1_0", "V2_0", "V3_0", "V4_0"]
    arrows = [line for line in lines if "->>" in line]
    drawn = [e for e in run.events if e.kind in (Kind.HYPERCALL, Kind.DELIVER, Kind.WAKE, Kind.RETURN, Kind.SWITCH)]
    assert len(arrows) == len(drawn)
    assert all(re.match(r" {4}\w+-?->>\w+: \S", line) for line in arrows)


def test_long_runs_are_folded_and_say_so():
    run = crowd(5, 1000)
    scene = sequence(run)
    assert len(scene.rows) <= MAX_ROWS
    assert scene.height < 5000
    assert any(
        isinstance(s, Text) and re.search(r"events \d+ to \d+ are not shown \([\d,]+ events\)", s.text)
        for s in scene.shapes
    )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_all_text_has_a_contrast_of_4_5(theme):
    table = styles(theme)
    for role, style in table.items():
        if role.partition("-")[0] in FONT_SIZES and style.fill and not role.endswith("inverse"):
            assert contrast(style.fill, theme.paper) >= 4.5, role
    assert contrast(table["subhead"].fill, theme.box) >= 4.5
    assert contrast(table["head-inverse"].fill, table["hypervisor"].fill) >= 4.5
    assert contrast(table["cpu-inverse"].fill, table["running"].fill) >= 4.5


def test_states_differ_without_colour():
    table = styles(LIGHT)
    looks = {role: (s.width, s.dash, s.hatch, s.fill is None, s.fill == LIGHT.paper) for role, s in table.items()}
    assert len({looks[f"mailbox-{state}"] for state in ("EMPTY", "RECEIVED", "READ")}) == 3
    assert len({looks[role] for role in ("call", "return", "deliver", "wake", "switch", "refused")}) == 6
    assert len({looks[role] for role in ("ready", "blocked", "running")}) == 3
    assert len({looks[f"edge-{cpu}"] for cpu in range(4)}) == 4


def test_notebook_shows_player_picture_and_transcript():
    InteractiveShell.instance()
    with capture_output() as captured:
        run_of("broadcast_3")._ipython_display_()
    picture, player, after, text = captured.outputs
    InteractiveShell.clear_instance()
    assert picture.data["image/svg+xml"].startswith("<svg ")
    assert "application/vnd.jupyter.widget-view+json" in player.data
    assert "Run the cell" in after.data["text/html"], "which is seen where the player does not live"
    assert "messages delivered" in picture.metadata["image/svg+xml"]["alt"]
    assert "HF_MAILBOX_SEND" in text.data["text/html"]
    assert "<details>" in text.data["text/html"]
    assert text.data["text/plain"] == run_of("broadcast_3").transcript(last=MAX_ROWS)


VIEWS = {name: view for name, view in vars(Run).items() if getattr(view, "__module__", "").startswith("hfedu.view")}
ASKED = {"vm": 1, "seq": 17, "event": 17, "ipa": 0x40F8_0000}
"""What each argument without a default may be."""
ABSURD = {"vm": (99, -1, "one", None), "seq": (10**9, -1, "x"), "event": (10**9, -1, "x"), "ipa": ("x", -1, 1 << 60)}


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_of_a_run_answers_and_says_in_a_sentence_what_it_cannot(name):
    needed = [key for key, each in inspect.signature(VIEWS[name]).parameters.items() if each.default is each.empty][1:]
    asked = {key: ASKED[key] for key in needed}
    view = getattr(run_of("broadcast_3"), name)
    seen = view(**asked)
    if isinstance(seen, Scene):
        boxes = [box(shape) for shape in seen.shapes if isinstance(shape, Text)]
        assert boxes
        assert not [pair for pair in itertools.combinations(boxes, 2) if overlaps(*pair)]
    else:
        assert seen is None or len(str(seen)) > 10
        assert " object at 0x" not in repr(seen)
    for key in needed:
        for value in ABSURD[key]:
            with pytest.raises(hfedu.Mistake):
                view(**{**asked, key: value})


def test_state_at_an_event():
    run = run_of("broadcast_3")
    deliver = next(event for event in run.events if event.kind is Kind.DELIVER)
    before, after = run.at(deliver.seq - 1), run.at(deliver.seq)
    assert (before["vm1.mailbox.state"], after["vm1.mailbox.state"]) == ("EMPTY", "READ")
    assert after["cpu0.current"] == Actor(0, 0)
    assert (before.waiters(1), after.waiters(1)) == ([Actor(1, 0)], [Actor(1, 0)])
    assert run.at(deliver.seq + 1).waiters(1) == []
    assert run.at(deliver.seq + 1).of(Actor(1, 0), "state") == "READY"
    returned = run.returned(deliver.cause)
    assert (returned.kind, returned.target, returned.result) == (Kind.RETURN, Actor(0, 0), 0)
    assert repr(returned) == f"{returned.seq}  cpu0    VM 0 vCPU 0's send returns 0"
    assert (run.at(returned.seq - 1)["vm0.vcpu0.x0"], run.at(returned.seq)["vm0.vcpu0.x0"]) == (0xFF04, 0)
    assert run.at(4)["vm1.vcpu0.pc"] == 0x40F0_0000
    with pytest.raises(hfedu.Mistake, match="there is no event 9999: this recording has events 0 to"):
        run.at(9999)


def test_repeats_are_found_and_only_where_nothing_but_bytes_differs():
    run = crowd(4, 200)
    (repeat,) = repeats(run.events)
    until = repeat.first + repeat.period * repeat.times
    assert repeat.period == 4 * 7
    assert until > len(run.events) - repeat.period
    for seq in range(repeat.first, until - repeat.period):
        assert words.sentence(run.events[seq]) == words.sentence(run.events[seq + repeat.period])
    middle = next(event.seq for event in run.events[repeat.first + 5 * repeat.period :] if event.kind is Kind.RETURN)
    other = run.events[middle]._replace(result=1)
    first, second = repeats((*run.events[:middle], other, *run.events[middle + 1 :]))
    assert first.first + first.period * first.times <= middle < second.first
    assert repeats(run.events[:40]) == []


@pytest.mark.slow
def test_data_of_the_player_is_lean_and_a_run_too_long_for_a_page_is_a_sentence(monkeypatch):
    run = pingpong(6000)
    assert len(json.dumps(player_data(run), separators=(",", ":"))) < 50 * len(run.events)
    monkeypatch.setattr("hfedu.view.player.EVENTS_AT_MOST", 9_000)
    with pytest.raises(hfedu.Mistake, match=r"this run has 15,004 events, and a page holds 9,000: record fewer"):
        run.to_html()
    with pytest.raises(hfedu.Mistake, match="there is no event 99999: this recording has events 0 to 15003"):
        run.to_html(position=99_999)


@pytest.mark.slow
def test_html_is_a_format_and_begins_at_the_first_event_asked_for(tmp_path):
    path = run_of("broadcast_3").draw(tmp_path / "player.html", first=7)
    text = path.read_text("utf-8")
    assert text == run_of("broadcast_3").to_html(position=7)
    assert text.startswith("<!DOCTYPE html>")
    assert "position: 7 }" in text


def test_in_mermaid_an_arrow_leads_to_the_guest_where_it_does_in_the_picture():
    run = relay()
    drawn = [line for line in run.render("mmd").decode().splitlines() if ">>" in line]
    kinds = [event.kind for event in run.events if event.kind not in (Kind.BOOT, Kind.LOAD, Kind.END)]
    assert [line.split()[0].startswith("H-") for line in drawn] == [KINDS[kind].to_guest for kind in kinds]


def test_the_two_waits_of_a_vcpu_are_two_boxes_and_a_message_ends_one_of_them():
    run = refusals()
    state = run.at(22)
    assert state["vm2.vcpu0.state"] == run.at(13)["vm1.vcpu0.state"] == "BLOCKED_INTERRUPT"
    for scene, now in (
        (run.vcpu(vm=1, seq=13), "waits for a message"),
        (run.vcpu(vm=2, seq=22), "WFI: sleeps"),
    ):
        assert scene.alt.endswith(f"{now} (BLOCKED_INTERRUPT)")
        lit = [shape.text for shape in scene.shapes if isinstance(shape, Text) and shape.role == "head-inverse"]
        assert lit == [now]
    words = [shape.text for shape in run.vcpu(vm=2, seq=22).shapes if isinstance(shape, Text)]
    assert "a message wakes it" in words
    assert "an interrupt wakes it" not in words, "nothing gives a secondary an interrupt at this commit"
    repaired = hfedu.boot(run.made["ramdisk"], fixes=["no-interrupt"])
    shapes = repaired.vcpu(vm=2, seq=5).shapes
    assert "an interrupt wakes it" in [shape.text for shape in shapes if isinstance(shape, Text)]


@pytest.mark.parametrize("fixes", [(), ("blocked-state",)])
def test_the_picture_says_sleeps_of_wfi_and_waits_of_a_message(fixes):
    """By the words that the heads of the lifelines have; what is sent has one size in all rows."""

    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.vcpu_run(2)
        yield hfedu.send(2, bytes(2048))

    def sleeper():
        yield hfedu.configure()
        yield hfedu.wait_for_interrupt()

    def reader():
        yield hfedu.configure()
        yield hfedu.receive(block=True)

    run = hfedu.boot(hfedu.RamDisk(primary, [sleeper, reader]), fixes=set(fixes))
    labels = [row_label(event) for event in run.events]
    assert labels.index("back to VM 0: VM 1 sleeps") < labels.index("back to VM 0: VM 2 waits")
    assert "back to VM 0: VM 1 waits" not in labels
    assert "VM 0 sends 2 KiB to VM 2" in labels


@pytest.mark.slow
def test_a_player_begins_where_there_is_a_state_to_see():
    run = relay()
    begun = run.player().position
    assert run.events[begun].kind is Kind.SWITCH
    assert all(event.kind in (Kind.BOOT, Kind.LOAD) for event in run.events[:begun])
    assert run.player(0).position == 0
    for form in (hfedu.playground(), hfedu.you_schedule(RACE), hfedu.wish()):
        assert form.player.position == len(form.player.recording.events) - 1, "live ones stand where they go on"


ONE_OF_MANY = re.compile(r"(?<![\d.,])(?<!VM )(?<!CPU )(?<!vCPU )1 [a-z-]+s\b", re.IGNORECASE)


def test_one_of_a_kind_is_no_plural():
    def sends_once():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)

    def answers():
        yield hfedu.configure()
        yield hfedu.send(0, "one")

    alone = hfedu.boot(hfedu.RamDisk(hfedu.assemble("b .")), max_instructions=1)
    two = hfedu.boot(hfedu.RamDisk(sends_once, [answers]), max_traps=1)
    found = hfedu.explore(RACE, max_states=1)
    said = [sequence(alone).alt, sequence(two).alt, repr(alone), str(alone.outcome), str(two.outcome), repr(found)]
    said += [transcript(alone), transcript(two), repr(hfedu.explore(RACE, preemptions=1))]
    assert "1 VM and" in said[0]
    assert "1 preemption" in said[-1]
    for text in said:
        assert not ONE_OF_MANY.search(text), text


def test_one_byte_is_told_in_the_singular_everywhere_and_a_size_of_the_interface_as_it_has_it():
    def primary():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, "x")
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, b"y" * 4096)

    def echo():
        yield hfedu.configure()
        message = yield hfedu.receive()
        yield hfedu.clear()
        yield hfedu.send(0, message.data)

    run = hfedu.boot(hfedu.RamDisk(primary, [echo]))
    said = "\n".join([transcript(run), json.dumps(player_data(run)), *(words.sentence(event) for event in run.events)])
    assert "1 byte" in said
    assert "MESSAGE(1 byte)" in said
    assert "4096 bytes" in said
    assert not re.search(r"\b1 bytes", said)
    assert [words.size(count) for count in (0, 1, 1000, 1024)] == ["0 bytes", "1 byte", "1,000 bytes", "1 KiB"]
