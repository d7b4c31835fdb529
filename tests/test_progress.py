"""Progress: nothing that was done is lost, nothing that was not done is shown, and no test leaves a trace."""

import base64
import os
import subprocess
import sys
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

import hfedu
from hfedu.course import exercises, predict_form, predictions, progress, record
from hfedu.course.answers import answer_of
from hfedu.course.exercises import exercise_named, solution
from hfedu.course.record import Record, Standing

ROOT = Path(__file__).parent.parent
RIGHT, WRONG = Standing.RIGHT, Standing.WRONG


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A fresh kernel's record, kept in this file."""
    path = tmp_path / "progress.txt"
    monkeypatch.setenv("HFEDU_PROGRESS", str(path))
    restart(monkeypatch)
    return path


def restart(monkeypatch):
    """As if the kernel was started again: what is not in the file is gone."""
    fresh = Record()
    for module in (exercises, predict_form, progress):
        monkeypatch.setattr(module, "RECORD", fresh)


def right(exercise_id):
    return hfedu.check(exercise_id, answer_of(solution(exercise_id, show=True)))


def wrong(exercise_id):
    return hfedu.check(exercise_id, next(iter(exercise_named(exercise_id).wrong.values()))[0])


def test_verdicts_and_predictions_survive_a_restart_and_the_best_counts(file, monkeypatch):
    hfedu.check("05-echo")
    right("05-decode")
    wrong("05-decode")
    wrong("05-guard")
    hfedu.predict("07-three-sends").answer(["0", "0", "READ", "0"])
    restart(monkeypatch)
    assert hfedu.progress().standings == {"05-decode": RIGHT, "05-guard": WRONG, "07-three-sends": WRONG}
    rows = {row[0][:2]: row[1:] for row in hfedu.progress().rows()}
    exercises_of_5 = sum(name.startswith("05") for name in exercises.exercises())
    assert rows["05"][:3] == ("1", "1", str(exercises_of_5 - 2))
    assert rows["07"][3] == f"1 of {sum(name.startswith('07') for name in predictions.predictions())}"


def test_the_table_is_text_and_html_with_the_same_numbers(file):
    right("05-decode")
    shown = hfedu.progress()
    line = next(line for line in repr(shown).splitlines() if line.startswith("05"))
    page = shown._repr_html_()
    for cell in next(row for row in shown.rows() if row[0].startswith("05")):
        assert cell in line
        assert f">{cell}</" in page
    assert shown.string in repr(shown)
    assert shown.string in page
    assert "beside the lessons" in repr(shown)


def note_all(path, kernel):
    os.environ["HFEDU_PROGRESS"] = str(path)
    mine = Record()
    for number in range(50):
        mine.note(f"{kernel}-{number}", RIGHT)


def test_kernels_that_write_at_the_same_time_lose_nothing(file):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(note_all, [file] * 4, range(4)))
    assert Record().standings() == {f"{kernel}-{number}": RIGHT for kernel in range(4) for number in range(50)}


def test_a_line_cut_short_costs_that_line_only(file):
    file.write_bytes(b"05-decode right\n05-echo wro\xff\n07-order rig")
    right("06-decode-run")
    assert Record().standings() == {"05-decode": RIGHT, "06-decode-run": RIGHT}


def test_a_file_that_cannot_be_written_is_one_sentence_and_the_string_still_works(file, capsys):
    file.mkdir()
    assert right("05-decode").state == "right"
    assert wrong("05-echo").state == "wrong"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Your progress cannot be written" in said
    shown = hfedu.progress()
    assert shown.standings == {"05-decode": RIGHT, "05-echo": WRONG}
    assert "cannot be written" in repr(shown)
    assert progress.decode(shown.string) == shown.standings


def test_a_string_brings_back_what_was_done_and_takes_nothing_away(file, monkeypatch):
    right("05-decode")
    wrong("05-echo")
    string = hfedu.progress().string
    file.unlink()
    restart(monkeypatch)
    right("05-echo")
    assert hfedu.progress(f"  {string}\n").standings == {"05-decode": RIGHT, "05-echo": RIGHT}
    restart(monkeypatch)
    assert hfedu.progress().standings == {"05-decode": RIGHT, "05-echo": RIGHT}


@given(st.dictionaries(st.sampled_from(progress.places()), st.sampled_from([WRONG, RIGHT])))
def test_strings_are_short_and_hold_everything(standings):
    string = progress.encode(standings)
    assert progress.decode(string) == standings
    assert len(string) < 100


def test_progress_leads_to_the_first_lesson_with_something_left():
    names = [*exercises.exercises(), *predictions.predictions()]
    done = {name: RIGHT for name in names if name < "07"} | {"07-three-sends": WRONG}
    shown = progress.Progress(done, "Kept.")
    assert "Next: 07 Clear and back-pressure." in repr(shown)
    assert '<p>Next: <a href="07_clear_and_back_pressure.ipynb">' in shown._repr_html_()
    assert "Next" not in repr(progress.Progress(dict.fromkeys(names, RIGHT), "Kept."))


def test_strings_of_the_longest_kind_are_short():
    assert len(progress.encode(dict.fromkeys(progress.places(), RIGHT))) < 100


def test_an_old_string_means_the_same_when_exercises_are_added(monkeypatch):
    """The places of the first published list never move: two bits each, the least significant first."""
    body = bytes([0b10_01_00_10, 0b01])
    old = "hfedu1-" + base64.urlsafe_b64encode(body + zlib.crc32(body).to_bytes(4, "little")[:3]).decode().rstrip("=")
    first = ["00-who-runs", "05-decode", "05-echo", "05-first-send", "05-guard"]
    meant = {first[0]: RIGHT, first[2]: WRONG, first[3]: RIGHT, first[4]: WRONG}
    assert progress.decode(old) == meant
    grown = (*progress.places(), *(f"15-new-{number}" for number in range(30)))
    monkeypatch.setattr(progress, "places", lambda: grown)
    assert progress.decode(old) == meant
    newest = progress.encode({"15-new-29": RIGHT})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="comes from a newer hfedu"):
        progress.decode(newest)


def test_a_damaged_or_foreign_string_is_a_sentence_and_changes_nothing(file):
    string = progress.encode({"05-decode": RIGHT, "12-sleeper": WRONG})
    for place in range(len("hfedu1-"), len(string)):
        damaged = string[:place] + ("A" if string[place] != "A" else "B") + string[place + 1 :]
        with pytest.raises(ValueError, match=r"damaged|newer"):
            hfedu.progress(damaged)
    with pytest.raises(ValueError, match="is damaged"):
        hfedu.progress(string[:-2])
    for foreign in ("", "hello", "hfedu1-ö", 3, b"hfedu1-AAAA"):
        with pytest.raises(ValueError, match="this is no progress string"):
            hfedu.progress(foreign)
    with pytest.raises(ValueError, match="newer hfedu"):
        hfedu.progress(string.replace("hfedu1", "hfedu2"))
    assert not file.exists()


LESSON = 'import hfedu\nhfedu.check("05-decode", lambda value: (value & 0xFFFF, value >> 32))'


def execute(folder, name, **environment):
    """Run a notebook with a right answer in a real kernel. The names of the files that are there afterwards."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LESSON)])
    nbformat.write(book, folder / name)
    base = {name: os.environ[name] for name in os.environ.keys() - {"PYTEST_CURRENT_TEST", record.SWITCH}}
    client = NotebookClient(book, timeout=60, resources={"metadata": {"path": folder}})
    client.execute(env=base | {"PYTHONPATH": str(ROOT)} | environment)
    assert "05-decode: right" in str(book.cells[0].outputs)
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_a_lesson_run_in_jupyter_is_noted_beside_it(tmp_path):
    assert record.FILE in execute(tmp_path, "05_send_and_receive.ipynb")
    assert (tmp_path / record.FILE).read_text() == "05-decode right\n"


@pytest.mark.slow
def test_nothing_is_noted_elsewhere_or_when_it_is_switched_off(tmp_path):
    assert execute(tmp_path, "mine.ipynb") == ["mine.ipynb"]
    assert execute(tmp_path, "05_mine.ipynb", HFEDU_PROGRESS="") == ["05_mine.ipynb", "mine.ipynb"]


@pytest.mark.slow
def test_nbval_neither_leaves_progress_nor_sees_any(tmp_path):
    (tmp_path / record.FILE).write_text("05-decode right\n07-order right\n")
    cell = nbformat.v4.new_code_cell(f"{LESSON}\nlen(hfedu.progress().standings)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=1)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "05_lesson.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "05_lesson.ipynb"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / record.FILE).read_text() == "05-decode right\n07-order right\n"
