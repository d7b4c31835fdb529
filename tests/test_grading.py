"""hfedu course grade: an instructor's Monday, with a class that is right, wrong, broken and hostile."""

import csv
import gc
import io
import json
import mmap
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from class_of import BROKEN, HONEST, HOSTILE, RIGHT_DECODE, TRICKS, book_with, cells_of, checking, class_in

from hfedu import cli
from hfedu.course.answers import shown_source
from hfedu.course.exercises import exercises
from hfedu.course.grading import handins, jail, judging, monday, tables
from hfedu.course.grading.handins import hand_ins
from hfedu.course.grading.judging import judge_hand_in
from hfedu.errors import counted

SHORT_OF_MEMORY = """
import json, os, resource, sys
from class_of import RIGHT_DECODE, book_with, checking
from hfedu.course.answers import shown_source
from hfedu.course.exercises import exercises
from hfedu.course.grading import jail, judging
judging.load_all()
asked = {name: shown_source(exercises()[name].solution) for name in ("01-sum", "05-decode", "05-echo", "13-repair")}
book = book_with([checking(*each) for each in asked.items()])
most = jail.held_by(os.getpid()).addresses + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
print(json.dumps([each.state for each in judging.judge_hand_in(book) if each.exercise in asked]))
"""
"""Judges four right answers with little memory."""
CLASS = int(os.environ.get("HFEDU_CLASS", "24"))
"""Learners of the class that is played through; 120 make the Monday of the README."""
DECODE = "05-decode"
LIE = "def answer(value):\n    return 0"


@pytest.fixture(autouse=True, scope="module")
def _loaded():
    judging.load_all()


def grade(capsys, *arguments):
    """What the command prints, on both streams, and its status."""
    status = cli.main(["course", "grade", *map(str, arguments)])
    return status, *capsys.readouterr()


def decoded(*cells):
    """What becomes of 05-decode in a notebook with these cells."""
    return next(each for each in judge_hand_in(book_with(list(cells))) if each.exercise == DECODE)


def learners(printed):
    return {each["learner"]: each for each in json.loads(printed)["learners"]}


@pytest.mark.slow
def test_a_monday_is_played_through(tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    expected = class_in(folder, CLASS)
    status, printed, _ = grade(
        capsys, folder, "--json", "--csv", tmp_path / "grades.csv", "--page", tmp_path / "p.html"
    )
    assert status == 0
    found = learners(printed)
    assert set(found) == set(expected)
    for name, wanted in expected.items():
        answers = {each["exercise"]: each for each in found[name]["exercises"]}
        if not isinstance(wanted, str):
            assert {each: answers[each]["state"] for each in answers} == {
                each: want.state for each, want in wanted.items()
            }
            for each, want in wanted.items():
                assert want.misconception in answers[each]["misconception"].split(" or "), (name, each)
        elif wanted in BROKEN:
            assert not answers
            assert found[name]["notes"]
        else:
            assert answers[DECODE]["state"] in ("right", "crashed"), wanted
    counts = json.loads(printed)["class"]
    for count in counts:
        shown = [
            answer
            for name in found
            for answer in found[name]["exercises"]
            if (answer["exercise"], answer["state"]) == (count["exercise"], count["state"])
            and answer["misconception"] in (count["misconception"], "")
        ]
        assert len(shown) >= count["count"]
    assert sum(count["count"] for count in counts) == sum(len(each["exercises"]) for each in found.values())
    assert not Path("/tmp/hfedu-was-here").exists()
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "<svg" in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert (tmp_path / "grades-class.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted({name[:2] for name in exercises()}))
def test_solutions_are_right_and_a_wrong_answer_is_wrong_for_its_reason(number):
    """The first of each exercise; `test_course` has all of them, unpacked as here, but not each in a process."""
    mine = [exercise for exercise in exercises().values() if exercise.id.startswith(number)]
    judged = judge_hand_in(book_with([checking(each.id, shown_source(each.solution)) for each in mine]))
    assert [(each.exercise, each.state) for each in judged] == [(each.id, "right") for each in mine]
    wrong = {each.id: next(iter(each.wrong.values())) for each in mine}
    judged = judge_hand_in(book_with([checking(name, shown_source(answer)) for name, (answer, _) in wrong.items()]))
    assert [(each.exercise, each.state) for each in judged] == [(name, "wrong") for name in wrong]
    assert all(wrong[each.exercise][1] in each.sentence for each in judged)


@pytest.mark.slow
@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_makes_a_wrong_answer_right(trick):
    judged = decoded(*cells_of(TRICKS[trick]))
    assert judged.state != "right"
    assert judged.sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["exercise_named('05-arrange-send').solution", "exercises()['05-arrange-send'].solution"]
)
def test_a_notebook_has_no_solutions_to_read(how):
    cell = f"from hfedu.course.exercises import exercises, exercise_named\ncheck('05-arrange-send', {how})"
    judged = next(each for each in judge_hand_in(book_with([cell])) if each.exercise == "05-arrange-send")
    assert judged.state == "not attempted"


@pytest.mark.slow
@pytest.mark.parametrize("trick", [name for name in HOSTILE if name != "ends-it"])
def test_a_hostile_cell_harms_nobody_and_its_learner_is_judged(trick):
    if jail.missing():
        pytest.fail(f"this system keeps a hand-in from nothing of {jail.missing()}")
    judged = decoded(HOSTILE[trick], checking(DECODE, RIGHT_DECODE))
    assert judged.state in (("crashed",) if trick == "uses-memory" else ("right", "timed out"))
    assert not Path("/tmp/hfedu-was-here").exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", HONEST)
def test_honest_answers_are_right_however_they_are_built(way, monkeypatch):
    monkeypatch.setattr(judging, "CELL_SECONDS", 2)
    judged = decoded(*cells_of(HONEST[way]), f"check('{DECODE}', answer)")
    assert judged.state == ("not judged" if way == "a decorator" else "right"), judged


@pytest.mark.slow
def test_what_the_judging_process_holds_is_no_learners(monkeypatch):
    monkeypatch.setattr(jail, "MEMORY_AT_MOST", 200 << 20)
    held = [b"x" * (300 << 20), *(mmap.mmap(-1, 1 << 30) for _ in range(1 + (jail.ADDRESSES_AT_MOST >> 30)))]
    cells = [f"# {len(held)} mappings", checking("13-repair", shown_source(exercises()["13-repair"].solution))]
    judged = {each.exercise: each for each in judge_hand_in(book_with([*cells, checking(DECODE, RIGHT_DECODE)]))}
    assert (judged["13-repair"].state, judged[DECODE].state) == ("right", "right")
    del held
    for dropped in (False, True):
        gc.disable()  # what a collection in the judge's own process gives back
        cycle = [b"x" * (400 << 20 if dropped else 1)]
        cycle.append(cycle)
        del cycle
        judged = decoded("held = b'x' * (400 << 20)", checking(DECODE, RIGHT_DECODE))
        gc.enable()
        assert judged.sentence.startswith("It uses more than"), dropped


@pytest.mark.slow
@pytest.mark.parametrize("room", [10, 20, 50, 100, 200, 400])
def test_where_memory_is_short_no_learner_is_at_fault(room):
    """`room` is the MiB of address space that a judge has for all that it does."""
    judged = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(room)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
    )
    assert judged.returncode == 0, judged.stderr
    assert set(json.loads(judged.stdout)) <= {"right", "not judged"}


@pytest.mark.slow
def test_a_process_that_the_system_ends_is_not_judged(monkeypatch):
    assert decoded(checking(DECODE, RIGHT_DECODE)).state == "right"
    monkeypatch.setattr(judging, "run_cells", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    monkeypatch.setattr(jail, "shut_calls", lambda _: None)
    judged = decoded(checking(DECODE, RIGHT_DECODE))
    assert (judged.state, "short of memory" in judged.sentence) == ("not judged", True)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [OSError(12, "Cannot allocate memory"), MemoryError()], ids=repr)
def test_what_this_computer_could_not_judge_is_judged_the_next_time(tmp_path, capsys, monkeypatch, trouble):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "ada.ipynb").write_bytes(book_with([checking(DECODE, RIGHT_DECODE)]))

    def fails(*_):
        raise trouble

    with monkeypatch.context() as context:
        context.setattr(monday, "judge_hand_in", fails)
        assert "this computer could not judge it" in learners(grade(capsys, folder, "--json")[1])["ada"]["notes"][0]
    with monkeypatch.context() as context:
        context.setattr(os, "fork", fails)
        if isinstance(trouble, OSError):
            assert "Cannot allocate memory" in learners(grade(capsys, folder, "--json")[1])["ada"]["notes"][0]
    assert learners(grade(capsys, folder, "--json")[1])["ada"]["right"] == 1


@pytest.mark.slow
def test_what_is_neither_right_nor_wrong_says_why(monkeypatch):
    monkeypatch.setattr(judging, "ANSWER_SECONDS", 2)
    assert decoded(checking(DECODE, "def answer(value):\n    while True:\n        pass")).state == "timed out"
    assert decoded(checking(DECODE, "def answer(value) return 0")).sentence.startswith("Its cell raised SyntaxError")
    assert decoded(checking(DECODE, "1 / 0")).sentence == "Its cell raised ZeroDivisionError: division by zero"
    assert decoded(checking(DECODE, "answer = None")).state == "not attempted"
    arranged = judge_hand_in(book_with(["arrange('05-arrange-send')"]))[0]
    assert 'check("05-arrange-send"' in arranged.sentence


@pytest.mark.slow
def test_the_last_answer_counts_and_predictions_made_from_code_are_told():
    judged = judge_hand_in(
        book_with(
            [
                checking(DECODE, LIE),
                checking(DECODE, RIGHT_DECODE),
                'predict("05-first-send").answer(["0", "READ", "VM 1"])',
            ]
        )
    )
    by_id = {each.exercise: each for each in judged}
    assert by_id[DECODE].state == "right"
    assert by_id["05-first-send"].sentence.startswith("2 of 3 as predicted.")


@pytest.mark.parametrize(
    ("path", "learner"),
    [
        ("ada.ipynb", "ada"),
        ("05_send_and_receive_ada.ipynb", "ada"),
        ("Ada King/05_send_and_receive.ipynb", "Ada King"),
        ("Ada King_4711_assignsubmission_file_/05_send_and_receive.ipynb", "Ada King"),
        ("Ada King_4711_assignsubmission_file_05_send_and_receive.ipynb", "Ada King"),
        ("kingada_LATE_12_34_05_send_and_receive.ipynb", "kingada"),
        ("Ada King - 05_send_and_receive.ipynb", "Ada King"),
        ("Ada King/week 3/Copy of 05_send_and_receive.ipynb", "Ada King"),
    ],
)
def test_a_learner_is_known_however_a_platform_names_files(tmp_path, path, learner):
    for name in (path, path.replace("Ada King", "Bo Li").replace("kingada", "libo").replace("ada", "bo")):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(book_with([]))
    (tmp_path / ".DS_Store").write_bytes(b"x")
    assert sorted(each.learner for each in hand_ins(tmp_path))[0] == learner
    archive = tmp_path.parent / "class.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for each in sorted(tmp_path.rglob("*.ipynb")):
            file.write(each, f"Week 3/{each.relative_to(tmp_path)}")
        file.writestr("__MACOSX/._x", b"")
    assert sorted(each.learner for each in hand_ins(archive))[0] == learner


@pytest.mark.slow
def test_archives_within_archives_and_bad_ones(tmp_path, capsys):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("05_send_and_receive.ipynb", book_with([checking(DECODE, RIGHT_DECODE)]))
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Ada_1_assignsubmission_file_/homework.zip", inner.getvalue())
        file.writestr("Bo_2_assignsubmission_file_/homework.zip", b"PK\3\4 no archive")
        file.writestr("Cy_3_assignsubmission_file_/05.ipynb", bytes(100 << 20))
        file.writestr("Di_4_assignsubmission_file_/essay.pdf", b"%PDF")
        file.writestr("../../etc/Eve_5_assignsubmission_file_/05.ipynb", book_with([checking(DECODE, LIE)]))
    status, printed, _ = grade(capsys, tmp_path / "class.zip", "--json")
    found = learners(printed)
    assert status == 0
    assert found["Ada"]["right"] == 1
    assert {name: bool(found[name]["notes"]) for name in ("Bo", "Cy", "Di")} == {"Bo": True, "Cy": True, "Di": True}
    assert "too long" in found["Cy"]["notes"][0]
    assert "no notebook was handed in" in found["Di"]["notes"][0]


@pytest.mark.slow
def test_links_lead_nowhere_and_two_of_one_person_are_told(tmp_path, capsys):
    ada = tmp_path / "ada"
    ada.mkdir()
    (ada / "05 first try.ipynb").write_bytes(book_with([checking(DECODE, RIGHT_DECODE)]))
    (ada / "05 better.ipynb").write_bytes(book_with([checking(DECODE, LIE)]))
    (tmp_path / "bo").mkdir()
    (tmp_path / "bo" / "05.ipynb").symlink_to(ada / "05 first try.ipynb")
    _, printed, _ = grade(capsys, tmp_path, "--json")
    found = learners(printed)
    assert found["ada"]["right"] == 1
    assert "More than one notebook of lesson 05" in found["ada"]["notes"][0]
    assert "is a link" in found["bo"]["notes"][0]


@pytest.mark.slow
def test_an_interrupted_judgement_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    for number in range(6):
        (folder / f"l{number}.ipynb").write_bytes(book_with([f"# {number}", checking(DECODE, RIGHT_DECODE)]))
    command = [sys.executable, "-m", "hfedu", "course", "grade", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kept = tmp_path / "class-judged.jsonl"
    while process.poll() is None and not (kept.exists() and kept.read_bytes().count(b"\n")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate()
    done = kept.read_bytes().count(b"\n")
    kept.write_bytes(kept.read_bytes() + b'{"digest": "cut')
    again = subprocess.run(command, capture_output=True, text=True)
    assert f"says: {counted(done, 'hand-in')}; delete" in again.stderr
    assert again.stdout.count(" 1 ") >= 6


@pytest.mark.slow
def test_another_lesson_and_bad_input_are_one_line(tmp_path, capsys):
    assert grade(capsys, tmp_path / "none")[::2] == (
        2,
        f"hfedu: there is no {tmp_path / 'none'}: name the folder of the hand-ins\n",
    )
    assert "there is nothing in" in grade(capsys, tmp_path)[2]
    os.mkfifo(tmp_path.with_suffix(".pipe"))
    for place in (tmp_path.with_suffix(".pipe"), Path("/dev/zero")):
        assert "is a file: name the folder of the hand-ins" in grade(capsys, place)[2]
    (tmp_path / "a.ipynb").write_bytes(book_with([checking(DECODE, RIGHT_DECODE)]))
    assert "there is no lesson '99'" in grade(capsys, tmp_path, "--lesson", "99")[2]
    status, printed, _ = grade(capsys, tmp_path, "--lesson", "07")
    assert status == 0
    assert "it asks for no exercise of lesson 07" in printed
    status, _, said = grade(capsys, tmp_path, "--csv", tmp_path / "none" / "x.csv")
    assert (status, said.splitlines()[-1][:20]) == (2, "hfedu: cannot write ")


@pytest.mark.slow
def test_files_for_spreadsheets_hold_no_formulas(tmp_path, capsys):
    (tmp_path / "=cmd(1).ipynb").write_bytes(book_with([checking(DECODE, RIGHT_DECODE)]))
    grade(capsys, tmp_path, "--csv", tmp_path / "g.csv", "--page", tmp_path / "p.html")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "g.csv").read_text("utf-8-sig"))))
    assert {row["learner"] for row in rows} == {"'=cmd(1)"}
    assert {row["exercise"]: row["state"] for row in rows}[DECODE] == "right"


@pytest.mark.parametrize("name", ["=1", " =1", "+1", "-1", "@x", "|x", "a;=1", "a; =1", "a\t+1", "＝1", "＠x", "a\n-1"])
def test_no_cell_begins_with_what_a_spreadsheet_executes(name):
    cell = next(csv.reader(io.StringIO(tables.as_csv([(name,)]).decode("utf-8-sig"), newline="")))[0]
    for piece in re.split(r"[;\t\n]", cell):
        assert piece.strip()[:1] not in set("=+-@|＝＋－＠")
    assert cell.replace("'", "") == name


def damaged(method):
    """An archive of a notebook, some bytes of which are others."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("05.ipynb", book_with([checking(DECODE, RIGHT_DECODE)]))
    data = bytearray(file.getvalue())
    data[60:-200] = bytes(byte ^ 0x5A for byte in data[60:-200])
    return bytes(data)


def many(count):
    """An archive with so many notebooks."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"05_{number}.ipynb", b"")
    return file.getvalue()


@pytest.mark.slow
def test_names_encodings_and_archives_of_any_kind_harm_nobody(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(handins, "FILES_AT_MOST", 40)
    monkeypatch.setattr(handins, "LARGEST_UNPACKED", 1 << 20)
    good = book_with([checking(DECODE, RIGHT_DECODE)])
    methods = {"stored": zipfile.ZIP_STORED, "deflate": 8, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    folder = tmp_path / "class"
    bad = {f"{name}/h.zip": damaged(method) for name, method in methods.items()}
    bad |= {"many/h.zip": many(41), "bomb/h.zip": zipped(bytes(2 << 20)), "letter/h.zip": b"PK\5\6" + bytes(18)}
    odd = {
        "bom.ipynb": b"\xef\xbb\xbf" + good,
        "utf16.ipynb": good.decode().encode("utf-16"),
        "lines.ipynb": book_with(["\n" * 300_000, checking(DECODE, RIGHT_DECODE)]),
        "checks.ipynb": book_with([f"# {'check' * 100_000}", "check(" + " " * 100_000 + ")", f"# '{DECODE}'"]),
        os.fsdecode(b"bad\xff.ipynb"): good,
        "line\nand \x1b[31m.ipynb": good,
        "\u202eback.ipynb": good,
        f"{'n' * 240}.ipynb": good,
        "Jose\u0301/05.ipynb": good,
        "Jos\u00e9/again.ipynb": good,
        "folder.ipynb/05.ipynb": good,
    }
    for path, content in (bad | odd).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    os.mkfifo(folder / "pipe.ipynb")
    status, printed, _ = grade(capsys, folder, "--json", "--csv", tmp_path / "g.csv", "--page", tmp_path / "p.html")
    found = learners(printed)
    assert status == 0
    assert {name for name in found if found[name]["notes"]} - {"José"} == {path.split("/")[0] for path in bad} | {
        "pipe"
    }
    right = {name for name in found if found[name]["right"]}
    assert right == {"bom", "utf16", "lines", "bad?", "line and ?[31m", "?back", "n" * 240, "José", "folder.ipynb"}
    _, printed, _ = grade(capsys, folder)
    assert max(map(len, printed.split("Wrong, and how")[0].split("To know")[0].splitlines())) < 250


def zipped(content):
    """An archive of one notebook."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("05.ipynb", content)
    return file.getvalue()


@pytest.mark.slow
def test_gradescope_gets_the_results_of_one_person(tmp_path, capsys):
    (tmp_path / "05.ipynb").write_bytes(book_with([checking(DECODE, RIGHT_DECODE), checking("05-echo", "answer = 3")]))
    _, printed, _ = grade(capsys, tmp_path, "--gradescope")
    tests = {each["name"]: each for each in json.loads(printed)["tests"]}
    assert (tests[DECODE]["score"], tests[DECODE]["max_score"]) == (1, 1)
    assert tests["05-echo"]["status"] == "failed"
    (tmp_path / "05.ipynb").write_bytes(b"")
    _, printed, _ = grade(capsys, tmp_path, "--gradescope")
    assert json.loads(printed)["score"] == 0


@pytest.mark.slow
def test_the_time_in_which_others_have_the_cpu_is_not_the_answer_s(tmp_path):
    def works(say):
        while time.process_time() < 0.8:
            pass
        say({"done": True})

    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin, start_new_session=True) for _ in range(3)]
    try:
        ended = judging.in_jail(works, 1, tmp_path)
    finally:
        os.sched_setaffinity(0, before)
        for other in others:
            other.kill()
            other.wait()
    assert (ended.said, ended.state) == ([{"done": True}], "")
