"""SPIN tries every order of tests/spin/receive_against_send.pml, the register race of 2018, and its repair."""

import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

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


def test_a_repair_that_tests_and_takes_in_two_steps_is_wrong_as_soon_as_two_cpus_try():
    assert spin_outcomes(("TWO_STEPS",)) == spin_outcomes(("REGS_RACE",))
    violations, _ = spin_outcomes(("TWO_STEPS", "RETRY"))
    assert violations == {"live_twice"}
