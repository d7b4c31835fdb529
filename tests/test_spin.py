"""SPIN tries every order of tests/spin/receive_against_send.pml, the register race of 2018, and its repair.

The explorer tries the same conversation of hfedu itself: violations and final states must be the same.
"""

import os
import re
import shutil
import subprocess
import tempfile
from ast import literal_eval
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from hfedu import configure, meet, receive, send, vcpu_run
from hfedu.course.shared import wrong
from hfedu.hf.call import HF_INVALID_VCPU, HfVcpuRun, hf_mailbox_receive_response
from hfedu.run.explorer import Scenario, explore
from hfedu.run.invariants import INVARIANTS

MODEL = Path(__file__).parent / "spin" / "receive_against_send.pml"
MISSING = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
INSTALL = "SPIN's model needs spin and gcc on the PATH (Debian and Ubuntu: apt-get install spin gcc libc6-dev)"

pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"LEFT OUT: {INSTALL}")


class Final(NamedTuple):
    """A final state, in the model's words: VM 1's vCPU, and what HF_VCPU_RUN and HF_MAILBOX_SEND last gave."""

    vcpu: str
    mailbox: str
    recv_waiter: str
    x0: str
    cpu0_run: str
    cpu1_send: str
    cpu1_run: str
    cpu2_send: str = "NOTHING"
    cpu2_run: str = "NOTHING"


def final(vcpu="BLOCKED_INTERRUPT", recv_waiter="NO_VCPU", x0="MESSAGE", cpu1_send="VCPU_0"):
    """The primary sees WAIT_FOR_INTERRUPT whatever happened, and a delivered message is READ."""
    return Final(vcpu, "READ", recv_waiter, x0, "WAIT_FOR_INTERRUPT", cpu1_send, "WAIT_FOR_INTERRUPT")


SENT_FIRST = final(cpu1_send="NO_VCPU")
WAITED_FIRST = final()
NOT_RUN_YET = final(vcpu="READY")
RESULT_LOST = final(x0="ZERO")
WAITS_AGAIN = final(recv_waiter="VCPU_0", x0="ZERO")


@cache
def spin_outcomes(defines: tuple[str, ...]) -> tuple[frozenset[str], frozenset[Final]]:
    """What SPIN finds in the variant that `defines` name: the names of the violations, and every final state."""
    assert not MISSING, INSTALL
    with tempfile.TemporaryDirectory() as folder:

        def run(*command: str) -> str:
            done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, done.stdout
            return done.stdout

        shutil.copy(MODEL, folder)
        # -o2: by default SPIN leaves variables that are only printed out of the state, and could miss final states.
        run("spin", "-o2", "-a", *(f"-D{name}" for name in defines), MODEL.name)
        run("gcc", "-DSAFETY", "-DPRINTF", "-o", "pan", "pan.c")
        report = run("./pan", "-c0")
    assert "Full statespace search" in report, report
    assert "max search depth too small" not in report, report
    assert "out of memory" not in report, report
    errors = re.findall(r"^pan:\d+: (.*) \(at depth \d+\)$", report, re.M)
    assert bool(errors) == ("errors: 0" not in report), report
    violations = re.findall(r"assertion violated +!\((live_twice|stale_registers|lost_result)\)", "\n".join(errors))
    assert len(violations) == len(errors), f"the model itself is wrong: {errors}"
    finals = re.findall(r"^final: (.*)$", report, re.M)
    return frozenset(violations), frozenset(Final(*line.split()) for line in finals)


@pytest.mark.parametrize("retry", [(), ("RETRY",)])
def test_the_hypervisor_of_2018_breaks_three_rules(retry):
    violations, finals = spin_outcomes(retry)
    assert violations == {"live_twice", "stale_registers", "lost_result"}
    assert finals == {SENT_FIRST, WAITED_FIRST, RESULT_LOST, WAITS_AGAIN}


def test_the_repair_holds_and_the_other_cpu_must_try_again():
    violations, finals = spin_outcomes(("REGS_RACE",))
    assert not violations
    assert finals == {SENT_FIRST, WAITED_FIRST, NOT_RUN_YET}


def test_with_the_repair_a_second_try_always_runs_the_woken_vcpu():
    violations, finals = spin_outcomes(("REGS_RACE", "RETRY"))
    assert not violations
    assert finals == {SENT_FIRST, WAITED_FIRST}


@pytest.mark.slow
def test_a_repair_that_tests_and_takes_in_two_steps_is_wrong_as_soon_as_two_cpus_try():
    assert spin_outcomes(("TWO_STEPS",)) == spin_outcomes(("REGS_RACE",))
    violations, _ = spin_outcomes(("TWO_STEPS", "RETRY"))
    assert violations == {"live_twice"}


# The same in hfedu. VM 1 begins as in the model: it runs on CPU 0, and comes next to its receive.

MESSAGE = hf_mailbox_receive_response(0, 5)
RULES = {"live-once": "live_twice", "registers-kept": "stale_registers", "result-kept": "lost_result"}


def ready():
    yield configure()
    yield vcpu_run(1)


def cpu0():
    return ((yield vcpu_run(1)).code,)


def cpu0_retry():
    yield vcpu_run(1)
    return ((yield vcpu_run(1)).code,)


def cpu1():
    yield meet()
    sent = yield send(1, b"hello")
    return sent, (yield vcpu_run(1)).code


def cpu2_runs():
    yield meet()
    return None, (yield vcpu_run(1)).code


def cpu2_sends():
    yield meet()
    return (yield send(1, b"hello")), None


THIRD = {"THIRD_RUNS": cpu2_runs, "THIRD_SENDS": cpu2_sends}


def vm1():
    yield configure()
    yield send(0, b"")
    yield meet()
    yield receive()


def explored(defines: tuple[str, ...]) -> tuple[frozenset[str], frozenset[Final]]:
    """What the explorer finds, in the model's words."""
    chosen = {"fixes": {"regs-race"}} if {"TWO_STEPS", "REGS_RACE"} & set(defines) else {}
    if "TWO_STEPS" in defines:
        chosen["changes"] = [wrong.TakenInTwoSteps]
    others = (THIRD[name] for name in defines if name in THIRD)
    scenario = Scenario("spin", "", ready, (cpu0_retry if "RETRY" in defines else cpu0, cpu1, *others), (vm1,))
    found = explore(scenario, [i for i in INVARIANTS if i.name in RULES], **chosen)
    assert found.complete
    return frozenset(RULES[v.invariant] for v in found.violations), frozenset(map(in_words, found.finals))


def in_words(state) -> Final:
    at = dict(state)
    (run0,), (sent, run1) = (literal_eval(at[f"vm0.vcpu{cpu}.returned"]) for cpu in (0, 1))
    sent2, run2 = literal_eval(at.get("vm0.vcpu2.returned", "(None, None)"))
    return Final(
        vcpu=at["vm1.vcpu0.state"],
        mailbox=at["vm1.mailbox.state"],
        recv_waiter={(): "NO_VCPU", (0,): "VCPU_0"}[at["vm1.waiters"]],
        x0={0: "ZERO", MESSAGE: "MESSAGE"}[at["vm1.vcpu0.x0"]],
        cpu0_run=HfVcpuRun(run0).name,
        cpu1_send=SENT[sent],
        cpu1_run=HfVcpuRun(run1).name,
        cpu2_send=SENT[sent2],
        cpu2_run="NOTHING" if run2 is None else HfVcpuRun(run2).name,
    )


SENT = {0: "VCPU_0", HF_INVALID_VCPU: "NO_VCPU", -1: "REFUSED", None: "NOTHING"}


@pytest.mark.parametrize("retry", [(), ("RETRY",)], ids=["once", "RETRY"])
@pytest.mark.parametrize("repair", [(), ("REGS_RACE",), ("TWO_STEPS",)], ids=["2018", "REGS_RACE", "TWO_STEPS"])
def test_the_explorer_finds_what_spin_finds(repair, retry):
    assert explored(repair + retry) == spin_outcomes(repair + retry)


@pytest.mark.slow
@pytest.mark.parametrize("third", [*THIRD])
@pytest.mark.parametrize("repair", [(), ("REGS_RACE",), ("REGS_RACE", "RETRY"), ("TWO_STEPS",)], ids=" ".join)
def test_they_agree_on_three_cpus_too(repair, third):
    violations, finals = spin_outcomes((*repair, third))
    assert explored((*repair, third)) == (violations, finals)
    assert any(final.cpu2_send == "REFUSED" for final in finals) == (third == "THIRD_SENDS")


def test_a_third_cpu_that_runs_is_enough_to_see_what_two_steps_do_wrong():
    """With two CPUs it takes a second try, see above."""
    violations, _ = spin_outcomes(("TWO_STEPS", "THIRD_RUNS"))
    assert violations == {"live_twice"}
