"""A scenario in a file of one's own, from the command line: exit status, JSON, and the report."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hfedu
from hfedu.course.demonstrations import demonstrate
from hfedu.view.report import report_page

RING = '''"""A ring buffer of two places."""
import hfedu
from hfedu import Scenario, load, receive, store
from ring_places import WRITTEN, READ, PLACES

def nothing():
    yield from ()

def idle():
    yield receive(block=True)

def writer(early):
    def script():
        for value in (1, 2):
            if early:
                yield store(WRITTEN, value)
            yield store(PLACES + 8 * (value % 2), value)
            yield store(WRITTEN, value)
    return script

def reader():
    got = []
    for count in (1, 2):
        while (yield load(WRITTEN)) < count:
            pass
        got.append((yield load(PLACES + 8 * (count % 2))))
    assert got == [1, 2], f"the reader got {got}"
    return got

right = Scenario("right", "It publishes what is there.", nothing, (writer(False), reader), (idle,))
wrong = Scenario("wrong", "It publishes too early.", nothing, (writer(True), reader), (idle,))

def judged():
    return hfedu.explore(right, (), ends=lambda machine: machine.results[1] == [1, 2])

def nonsense():
    return 3

def broken():
    return 1 / 0
'''


@pytest.fixture
def ring(tmp_path):
    (tmp_path / "ring.py").write_text(RING)
    (tmp_path / "ring_places.py").write_text("WRITTEN, READ, PLACES = 0x40100000, 0x40101000, 0x40102000\n")
    (tmp_path / "typo.py").write_text("x = (\n")
    (tmp_path / "fails.py").write_text("import hfedu\n\nhfedu.nothing\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hfedu", "explore", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_exit_status_and_what_is_said(ring):
    right = run(ring, "ring.py:right")
    assert right.returncode == 0
    assert "Every order was tried." in " ".join(right.stdout.split())
    wrong = run(ring, "ring.py:wrong")
    assert wrong.returncode == 1
    assert "raised: CPU 1: the script reader raises AssertionError: the reader got [" in wrong.stdout
    some = run(ring, "ring.py:right", "--max-states", "20")
    assert some.returncode == 3
    assert run(ring, "ring.py:right", "--cpus", "1").returncode == 0


def test_as_json(ring):
    found = json.loads(run(ring, "ring.py:judged", "--json").stdout)
    assert found["id"] == "ring.py:judged"
    assert found["results"] == [[None, [1, 2]]]
    assert found["complete"]
    assert not found["violations"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ring.py:left", "ring.py has no scenario 'left': write left = hfedu.Scenario"),
        ("ring.py:", "ring.py has no scenario ''"),
        ("rung.py:right", "there is no file rung.py: name a file and what is in it"),
        ("typo.py:right", "typo.py, line 1: SyntaxError: '(' was never closed"),
        ("fails.py:right", "fails.py, line 3: AttributeError: module 'hfedu' has no attribute 'nothing'"),
        ("ring.py:nonsense", "nonsense() must return what hfedu.explore gave, not 3"),
        ("ring.py:broken", "line 40: ZeroDivisionError: division by zero"),
    ],
)
def test_bad_input_is_one_line(ring, name, says):
    done = run(ring, name)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_function_explores_as_it_likes(ring):
    done = run(ring, "ring.py:judged", "--cpus", "2")
    assert done.returncode == 2
    assert "judged explores as it likes" in done.stderr


@pytest.mark.slow
def test_the_report_is_one_page_that_loads_nothing(ring):
    done = run(ring, "ring.py:wrong", "--html", "report.html")
    assert done.returncode == 1
    page = (ring / "report.html").read_text("utf-8")
    assert "What the scripts returned" in page
    assert "The shortest way to break raised" in page
    assert 'id="player"' in page
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]*"', page.partition("<script")[0])
    assert run(ring, "ring.py:right", "--html", "right.html").returncode == 0
    right = (ring / "right.html").read_text("utf-8")
    assert "No order breaks any of the" in right
    assert "[1, 2]" in right
    assert "<script" not in right


def test_a_report_that_cannot_be_written(ring):
    done = run(ring, "ring.py:right", "--html", "nowhere/report.html")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_demonstration_is_what_explore_gives():
    found = demonstrate("regs-race", first=True)
    assert isinstance(found, type(hfedu.explore(found.scenario, max_states=2)))
    assert isinstance(found.counterexample(), hfedu.Run)
    assert found.compare().passing is not None
    assert "live-once" in report_page(found, found.counterexample())


@pytest.mark.slow
def test_one_run_on_one_cpu_has_nothing_to_compare():
    found = demonstrate("fp-regs")
    assert found.counterexample() is found.run
    with pytest.raises(hfedu.Mistake, match="there is no other order to compare it with"):
        found.compare()
    with pytest.raises(hfedu.Mistake, match="there is no violation 1: 1 were found"):
        found.counterexample(1)
