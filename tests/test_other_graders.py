"""`assert check(...)` in the graders of others: nbgrader and otter make an assignment, and grade it, by their commands.

Both come with the extra "graders", which CI installs. Where they are missing these tests say that they were left out.
"""

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import hfedu

RIGHT = "def answer(value):\n    return value & 0xFFFF, value >> 32"
ANSWERS = {"ada": RIGHT, "bo": "def answer(value):\n    return value >> 32, value & 0xFFFF", "cy": "answer = None"}
"""What each learner hands in: right, wrong, nothing."""
TEST = 'assert check("05-decode", answer)'
IMPORT = "import hfedu\nfrom hfedu import check"


@pytest.fixture
def command(request, tmp_path):
    """Runs a command of a grader in an empty folder."""
    for module in request.param:
        if find_spec(module) is None:
            said = f"LEFT OUT: {module} is not installed; pip install 'hfedu[graders]'"
            pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    own = [str(Path(hfedu.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(own),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
    }

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def cell(source, kind="code", **metadata):
    shown = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": metadata, **shown}


def write(path, cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}))


def handed_in(path, into):
    """The notebook that learners get, with an answer of each in it."""
    for learner, answer in ANSWERS.items():
        book = json.loads(path.read_text())
        place = next(one for one in book["cells"] if "def answer" in "".join(one["source"]))
        place["source"] = answer
        write(into(learner), book["cells"])


@pytest.mark.slow
@pytest.mark.parametrize("command", [("nbgrader",)], indirect=True)
def test_nbgrader_gives_points_for_right_answers_only(command, tmp_path):
    (tmp_path / "nbgrader_config.py").write_text(
        f'c = get_config()\nc.CourseDirectory.course_id = "hv"\nc.CourseDirectory.root = {str(tmp_path)!r}\n'
    )
    own = {"schema_version": 3, "task": False}
    answers = {**own, "grade": False, "solution": True, "locked": False, "grade_id": "decode"}
    tests = {**own, "grade": True, "solution": False, "locked": True, "points": 2, "grade_id": "decode-test"}
    solved = f"### BEGIN SOLUTION\n{RIGHT}\n### END SOLUTION"
    stub = f"# def answer(value): ...\n{solved}"
    write(tmp_path / "source/ps1/p.ipynb", [cell(IMPORT), cell(stub, nbgrader=answers), cell(TEST, nbgrader=tests)])
    command("nbgrader", "generate_assignment", "ps1", "--create")
    handed_in(tmp_path / "release/ps1/p.ipynb", lambda learner: tmp_path / f"submitted/{learner}/ps1/p.ipynb")
    command("nbgrader", "autograde", "ps1")
    command("nbgrader", "export", "--to", "grades.csv")
    rows = list(csv.DictReader((tmp_path / "grades.csv").open()))
    assert {row["student_id"]: float(row["score"]) for row in rows} == {"ada": 2, "bo": 0, "cy": 0}


@pytest.mark.slow
@pytest.mark.parametrize("command", [("otter",)], indirect=True)
def test_otter_gives_points_for_right_answers_only(command, tmp_path):
    raw = "ASSIGNMENT CONFIG\nexport_cell: false\n", "BEGIN QUESTION\nname: q1\npoints: 2", "BEGIN SOLUTION"
    config, question, solution = (cell(f"# {text}", "raw") for text in raw)
    ends = [cell(f"# {text}", "raw") for text in ("END SOLUTION", "BEGIN TESTS", "END TESTS", "END QUESTION")]
    solved = cell(RIGHT.replace(" >> 32", " >> 32  # SOLUTION"))
    write(
        tmp_path / "hw.ipynb",
        [config, cell(IMPORT), question, solution, solved, ends[0], ends[1], cell(TEST), *ends[2:]],
    )
    command("otter", "assign", "hw.ipynb", "dist", "--no-run-tests")
    handed_in(tmp_path / "dist/student/hw.ipynb", lambda learner: tmp_path / f"{learner}.ipynb")
    (grader,) = (tmp_path / "dist/autograder").glob("*.zip")
    scores = {}
    for learner in ANSWERS:
        (tmp_path / learner).mkdir()
        command("otter", "run", f"{learner}.ipynb", "-a", grader, "-o", learner)
        results = json.loads((tmp_path / learner / "results.json").read_text())
        scores[learner] = sum(test.get("score") or 0 for test in results["tests"])
    assert scores == {"ada": 2, "bo": 0, "cy": 0}
