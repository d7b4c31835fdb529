"""Every public name, and every method of what it gives: whatever it is called with, there is a result or a sentence."""

import inspect
import math
import pickle
import threading
from concurrent.futures import Future
from types import FunctionType

import pytest

import hfedu
from hfedu import Machine, Mistake, RamDisk, Scenario
from hfedu.hf.call import CALLS

CODE = b"\0\0\0\x14"


def primary():
    yield hfedu.configure()
    yield hfedu.vcpu_run(1)


def asks():
    yield hfedu.send(1, "x")


def waits():
    yield hfedu.configure()
    yield hfedu.receive(block=True)


def needs(argument):
    yield argument


class Silent:
    """Nobody can print or compare it."""

    __hash__ = None

    def __repr__(self):
        raise RuntimeError("it has no repr")

    def __eq__(self, other):
        raise RuntimeError("it cannot be compared")


DISK = RamDisk(primary, [waits])
MACHINE = Machine(DISK)
MACHINE.boot()
RUN = hfedu.boot(DISK)
SCENARIO = Scenario("s", "It says something.", primary, (asks, asks), (waits,))
FOUND = hfedu.explore(SCENARIO)
ODD = [
    None, True, 0, 1, -1, 1.5, 2**63, -(10**30), 10**5000, math.nan, math.inf, 3j, "", "x", "\0", "\ud800", "a\x1b[2J",
    "9" * 5000, b"", b"x", bytearray(b"\xff"), [], [[]], [None], [1, "x"], (), (1,), {}, {1: 2}, {"x"}, range(3),
    iter(()), (each for each in "x"), object(), Silent(), int, Exception, Silent, len, primary, needs, lambda *_: 1 / 0,
    ..., primary(), threading.Lock(), Future(), hfedu, RUN, DISK, SCENARIO, RUN.events[3], RUN.outcome, FOUND,
]  # fmt: skip
RIGHT = {
    "vm": 1, "seq": 3, "causes": (), "cpu": 0, "actor": None, "kind": hfedu.Kind.STEP, "name": "pingpong_primary.bin",
    "meaning": "It holds.", "broken": bool, "value": "step", "ramdisk": DISK, "sender": 0, "data": b"x", "status": 0,
    "sentence": "It ended.", "recording": RUN, "primary": CODE, "events": RUN.events, "uart": "",
    "setup": primary, "cpus": (asks,), "secondaries": (waits,), "image": CODE, "exercise_id": "05-decode", "x0": 0,
    "outcome": RUN.outcome,
    "source": "nop", "address": 0x5000, "expected": 0, "new": 1, "mistake": "regs-race", "scenario": SCENARIO,
    "goal": lambda machine: False, "row": CALLS[0], "prediction_id": "00-read-the-player", "text": "x", "log": "",
    "pages": 39, "vcpu": MACHINE.hypervisor.cpus[0], "role": "cpu", "what": "x", "result": None, "i": 0, "step": "x",
    "by": 1, "stop": 1, "option": "x", "ipa": 0x5000, "event": 3, "call": 3, "of": 3, "field": "state", "fmt": "txt",
    "path": "x.txt", "other": RUN, "message": {"press": "x"},
}  # fmt: skip
"""What each argument without a default may be."""
QUICK = {"boot": {"max_traps": 20}, "explore": {"max_states": 3}, "find": {"max_states": 3}}


def objects():
    """Something of each class that a public call gives, or that a function of the user's is given."""
    yield from (RUN, DISK, Machine(DISK), RUN.events[3], RUN.events[3].actor, RUN.outcome, RUN.at(3), RUN.stage2(1))
    yield from (FOUND, SCENARIO, hfedu.find(SCENARIO, lambda machine: False), hfedu.INVARIANTS[0], RUN.player())
    yield from (hfedu.you_schedule(SCENARIO), hfedu.you_are_the_hypervisor(), hfedu.playground(), RUN.compare(RUN))
    yield from (FOUND.compare(), hfedu.arrange("05-arrange-send"), hfedu.tour(), RUN.at(3)["vm1.stage2"])
    yield from (hfedu.check("05-decode", 3), hfedu.hypercalls(), RUN.why(4), hfedu.hint("05-decode"))


def said(call):
    """The sentence that there was, or none if there was a result."""
    try:
        call()
    except Mistake as mistake:
        sentence = str(mistake)
    else:
        return ""
    assert sentence.isprintable()
    assert 5 < len(sentence) < 2100
    return sentence


def judged(name, call):
    """Call it with an odd thing in each place, with many and few of them, and with each name misspelt."""
    signature, quick = inspect.signature(call), QUICK.get(name, {})
    places = [
        each for each in signature.parameters.values() if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    right = quick | {each.name: RIGHT[each.name] for each in places if each.default is each.empty}
    for each in places:
        for odd in ODD:
            if each.name != "progress" or not callable(odd):  # what a function of one's own raises stays as it is
                said(lambda odd=odd, each=each: call(**{**right, each.name: odd}))
    for odd in ODD:
        said(lambda odd=odd: call(odd))
        said(lambda odd=odd: call(odd, odd))
    kinds = {each.kind for each in signature.parameters.values()}
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        assert name in said(lambda: call(*range(30)))
    for each in places:
        misspelt = each.name + "z"
        if each.kind is not each.POSITIONAL_ONLY:
            sentence = said(lambda misspelt=misspelt: call(**{**right, misspelt: 1}))
            assert misspelt in sentence
            assert f"did you mean {each.name!r}" in sentence, (name, sentence)


NAMES = [name for name in hfedu.__all__ if callable(getattr(hfedu, name)) and name not in ("Mistake", "Kind")]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_answers_any_call(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HFEDU_PROGRESS", "")
    judged(name, getattr(hfedu, name))


def methods(thing):
    """The methods of an object that hfedu wrote, by name."""
    for name in dir(type(thing)):
        part = inspect.getattr_static(type(thing), name)
        function = getattr(part, "__func__", part)
        ours = isinstance(function, FunctionType) and function.__module__.startswith("hfedu")
        if ours and not name.startswith("_") and name not in getattr(thing, "__dataclass_fields__", ()):
            yield name, getattr(thing, name)


@pytest.mark.slow
def test_every_method_of_what_is_given_answers_any_call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HFEDU_PROGRESS", "")
    for thing in objects():
        for name, method in methods(thing):
            judged(name, method)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_one_thing_that_can_be_sent_to_another_process(name):
    found = getattr(hfedu, name)
    assert getattr(hfedu, name) is found
    assert pickle.loads(pickle.dumps(found)) is found
    assert found.__name__ == name


def test_a_kind_of_event_that_is_none_is_told_with_the_nearest():
    with pytest.raises(Mistake, match="no kind of event 'sted', did you mean 'step'"):
        hfedu.Kind("sted")


def test_what_a_function_of_ones_own_raises_stays_as_it_is():
    def told(depth, states):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        hfedu.explore(SCENARIO, progress=told)
