"""A guest is edited in the player and the machine runs again: what comes out, and what is said of what cannot."""

import functools

import pytest
from test_explorer import RACE

import hfedu
from hfedu import RamDisk, assemble, asset, clear, compile_c, configure, receive, send, vcpu_run
from hfedu.hf.call import CALLS
from hfedu.run import edit
from hfedu.run.edit import guest_source, run_edited


def primary():
    yield configure()
    yield vcpu_run(1)
    yield send(1, "one")
    yield vcpu_run(1)
    yield send(1, "two")


def reader():
    yield configure()
    yield receive()
    yield clear()


def inner(word):
    def talks():
        yield configure()
        yield send(0, word)

    return talks


C = """void guest_main(unsigned long fdt)
{
    configure();
    hvc(HF_MAILBOX_RECEIVE, 1, 0, 0);
    hvc(HF_MAILBOX_CLEAR, 0, 0, 0);
}
"""


@pytest.fixture(scope="module")
def run():
    return hfedu.boot(RamDisk(primary, [reader]), title="A run")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(edit, "SECONDS", 0.3)


def calls(run, vm):
    return [event.call.verb for event in run.events if event.kind is hfedu.Kind.HYPERCALL and event.actor.vm == vm]


def asked(player, **message):
    """What the kernel answers to a message of the front end."""
    answers = []
    player.send = answers.append
    player._answer(None, {"id": 1, **message}, None)
    return answers[0]


def test_the_same_text_makes_the_same_run(run):
    for vcpu in ("vm0.vcpu0", "vm1.vcpu0"):
        source = guest_source(run, vcpu)
        assert source.language == "Python"
        again = run_edited(run, vcpu, source.text)
        assert again.events == run.events
        assert again.title == "A run: edited"


def test_one_line_less_makes_another_run_and_the_rest_is_as_it_was(run):
    text = guest_source(run, "vm1.vcpu0").text
    changed = run_edited(run, "vm1.vcpu0", text.replace("    yield clear()\n", ""))
    assert calls(run, 1) == ["configure", "receive", "clear"]
    assert calls(changed, 1) == ["configure", "receive"]
    assert calls(changed, 0) == calls(run, 0)
    assert "two" not in [event.message for event in changed.events]
    assert guest_source(changed, "vm1.vcpu0").text == text.replace("    yield clear()\n", ""), "and can be edited again"


def test_a_script_sees_what_it_saw_before(run):
    talks = hfedu.boot(RamDisk(primary, [inner("free")]))
    text = guest_source(talks, "vm1.vcpu0").text
    assert text.startswith("def talks():")
    again = run_edited(talks, "vm1.vcpu0", text)
    assert again.events == talks.events


@pytest.mark.parametrize("primary_is_edited", [True, False])
def test_c_is_compiled_again(primary_is_edited):
    image = compile_c(C)
    run = hfedu.boot(RamDisk(primary, [image]))
    source = guest_source(run, "vm1.vcpu0")
    assert source == ("C", C)
    changed = run_edited(run, "vm1.vcpu0", source.text.replace("    hvc(HF_MAILBOX_CLEAR, 0, 0, 0);\n", ""))
    assert calls(changed, 1)[:2] == ["configure", "receive"]
    assert "clear" in calls(run, 1)
    assert "clear" not in calls(changed, 1)
    with pytest.raises(hfedu.Mistake, match=r"the C program does not compile.*hvcc"):
        run_edited(run, "vm1.vcpu0", C.replace("hvc(HF_MAILBOX_CLEAR", "hvcc(HF_MAILBOX_CLEAR"))
    if primary_is_edited:
        text = guest_source(run, "vm0.vcpu0").text
        assert calls(run_edited(run, "vm0.vcpu0", text.replace('    yield send(1, "two")\n', "")), 0)[-2] == "run"


SAYS_TWICE = """void guest_main(unsigned long fdt)
{
    configure();
    hvc(HF_MAILBOX_SEND, 0, WORDS, 0);
}
"""


def test_c_is_compiled_again_as_it_was():
    """With its flags, and for the calls that it was compiled for: an edit that changes nothing changes no byte."""
    rows = [row._replace(number=0xFF7D) if row.name == "HF_MAILBOX_SEND" else row for row in CALLS]
    flags = ("-DWORDS=3", "-O2")
    image = compile_c(SAYS_TWICE, *flags, calls=rows)
    run = hfedu.boot(RamDisk(primary, [image]), max_traps=20)
    for _ in range(2):  # an edit of an edit, too
        run = run_edited(run, "vm1.vcpu0", SAYS_TWICE)
        assert run.made["ramdisk"].kernel("vm1") == image
    same = run_edited(run, "vm1.vcpu0", SAYS_TWICE.replace("WORDS", "WORDS + 1"))
    sent = [event.args for event in same.events if (event.kind, event.function) == (hfedu.Kind.HYPERCALL, 0xFF7D)]
    assert [args[1] for args in sent] == [4]


@pytest.mark.slow
def test_assembly_and_what_comes_with_hfedu_can_be_edited():
    words = "mov x0, 0xff01\nhvc 0\nloop: wfi\nb loop\n"
    run = hfedu.boot(RamDisk(primary, [assemble(words)]))
    assert guest_source(run, "vm1.vcpu0") == ("assembly", words)
    changed = run_edited(run, "vm1.vcpu0", words.replace("0xff01", "0xff06"))
    assert (calls(run, 1), calls(changed, 1)) == (["vm_count"], ["clear"])
    relays = hfedu.boot(RamDisk(asset("relay_primary.bin"), [asset("relay.bin")]))
    source = guest_source(relays, "vm1.vcpu0")
    assert source.language == "C"
    assert calls(run_edited(relays, "vm1.vcpu0", source.text), 1) == calls(relays, 1)


WRONG = {
    "line 1: ": "def reader(:\n",
    "no guest is left: define a function that yields calls, as in def reader": "x = 1",
    "no guest is left": "",
    "needs arguments": "def reader(a):\n    yield clear()",
    "yielded 7": "def reader():\n    yield 7",
    "line 3: ZeroDivisionError": "def reader():\n    yield configure()\n    1 / 0",
    "line 1: ValueError: no": "raise ValueError('no')",
    "line 2: SystemExit": "import sys\nsys.exit()",
    "null byte|null bytes": "x\0",
    "line 2: NameError: name 'cleer' is not defined": "def reader():\n    yield cleer()",
    "line 2: RecursionError": "def reader():\n    yield from reader()",
}


@pytest.mark.parametrize("says", WRONG)
def test_what_is_wrong_with_it_is_a_sentence_with_its_line(run, says):
    with pytest.raises(hfedu.Mistake, match=says):
        run_edited(run, "vm1.vcpu0", WRONG[says])


@pytest.mark.parametrize(
    "text",
    [
        "while True: pass",
        "def reader():\n    while True: pass\n    yield",
        "def reader():\n    yield configure()\n    n = 0\n    while True:\n        n += 1",
    ],
)
def test_what_goes_round_without_a_call_is_stopped(run, quick, text):
    with pytest.raises(hfedu.Mistake, match=r"goes round and makes no call: after 0\.3 seconds"):
        run_edited(run, "vm1.vcpu0", text)


def test_what_calls_for_ever_is_stopped_and_shown(run):
    changed = run_edited(run, "vm1.vcpu0", "def reader():\n    while True:\n        yield configure()")
    assert changed.outcome.sentence == "The guests used up their 2,000 traps to the hypervisor."
    assert len(changed.events) > len(run.events)


def test_machine_code_that_never_ends_is_stopped_and_shown(quick):
    run = hfedu.boot(RamDisk(primary, [compile_c(C)]))
    changed = run_edited(run, "vm1.vcpu0", "void guest_main(unsigned long fdt) { for (;;); }")
    assert "seconds" in changed.outcome.sentence


def test_where_there_is_nothing_to_edit_it_is_said(run):
    code = hfedu.boot(RamDisk(primary, [bytes.fromhex("7f2003d5") * 4]))
    with pytest.raises(hfedu.Mistake, match="VM 1 runs machine code whose source is not known: there is nothing to"):
        guest_source(code, "vm1.vcpu0")
    with pytest.raises(hfedu.Mistake, match="the source of VM 1's script is not known"):
        guest_source(hfedu.boot(RamDisk(primary, [functools.partial(inner("x"))])), "vm1.vcpu0")
    for odd in ("vm9.vcpu0", "", "None", "vm1"):
        with pytest.raises(hfedu.Mistake, match="in this run to edit"):
            run_edited(run, odd, "x")


def test_a_run_on_several_cpus_is_made_again():
    two = hfedu.explore(RACE, first=True).counterexample()
    assert guest_source(two, "vm1.vcpu0").text.startswith("def receiver():")
    assert run_edited(two, "vm1.vcpu0", guest_source(two, "vm1.vcpu0").text).events


def test_the_player_answers_with_the_source_and_both_runs_side_by_side(run):
    player = run.player()
    source = asked(player, ask="source", vcpu="vm1.vcpu0")
    assert source["source"].startswith("def reader():")
    found = asked(player, ask="rerun", vcpu="vm1.vcpu0", text=source["source"].replace("clear()", "receive()"))
    assert [each["title"] for each in found["pair"]["runs"]] == ["A run", "A run: edited"]
    assert found["pair"]["apart"]["here"] == found["pair"]["apart"]["there"]
    why = asked(player, ask="code", seq=found["pair"]["apart"]["there"], run=1)
    assert why["run"] == 1
    assert "receive()" in str(why["pieces"])
    for odd in ({}, {"vcpu": 7}, {"vcpu": "vm1.vcpu0", "text": None}, {"vcpu": "vm1.vcpu0", "text": 7}):
        assert asked(player, ask="rerun", **odd)["error"].endswith(".")
