"""What hfedu writes is written whole or not at all, never through a link; what is no file is a sentence."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hfedu
from hfedu import Mistake, RamDisk, cli, files
from hfedu.course import notebooks, record
from hfedu.course.notebooks import MANIFEST, code_cells, deliver
from hfedu.course.record import Record, Standing

CODE = b"\0\0\0\x14"
ENDINGS = ("svg", "html", "mmd", "txt", "png", "pdf")
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")


@pytest.fixture(scope="module")
def run():
    return hfedu.boot(RamDisk(asks))


def asks():
    yield hfedu.vm_count()


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv(record.SWITCH, str(tmp_path / "progress.txt"))
    return tmp_path / "progress.txt"


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = tmp_path / "origin"
    folder.mkdir()
    for name in ("00_tour.ipynb", "05_send.ipynb"):
        (folder / name).write_text(f"{name}, version 1")
    monkeypatch.setattr(notebooks, "source", lambda: (folder, False))
    return folder


def fill(monkeypatch, allowed=0):
    """From now on the disk has room for so many bytes more."""
    left = [allowed]

    def write(descriptor, content):
        size = min(len(content), left[0])
        left[0] -= size
        return real(descriptor, content[:size])

    real = os.write
    monkeypatch.setattr(files.os, "write", write)


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path):
    path = tmp_path / "file"
    files.write_whole(path, b"one")
    path.chmod(0o600)
    files.write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_cannot_be_written_whole_leaves_what_was_there(tmp_path, monkeypatch, error):
    def fail(descriptor):
        raise error

    path = tmp_path / "file"
    path.write_bytes(b"one")
    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(type(error)):
        files.write_whole(path, b"two")
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def no_links(*_):
    raise PermissionError(1, "no links here")


def test_a_new_file_is_put_where_nothing_is(tmp_path, monkeypatch):
    for links in (True, False):
        if not links:
            monkeypatch.setattr(files.os, "link", no_links)
        files.write_whole(tmp_path / f"file{links}", b"one", new=True)
        with pytest.raises(FileExistsError):
            files.write_whole(tmp_path / f"file{links}", b"two", new=True)
        assert (tmp_path / f"file{links}").read_bytes() == b"one"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_is_not_drawn_through_a_link(run, tmp_path, ending):
    (tmp_path / "precious").write_text("precious")
    for name, target in {"there": "precious", "dangling": "nothing"}.items():
        link = tmp_path / f"{name}.{ending}"
        link.symlink_to(tmp_path / target)
        with pytest.raises(Mistake, match=rf"cannot write .*{name}\.{ending}: .* is a link, not a file"):
            run.draw(link)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


@needs_pipes
def test_a_pipe_where_a_file_was_expected_is_a_sentence(run, tmp_path, capsys):
    pipe = tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    with pytest.raises(Mistake, match="is a pipe or a device"):
        run.draw(pipe)
    for make in (RamDisk.from_file, RamDisk, code_cells):
        with pytest.raises(Mistake, match="is a pipe or a device"):
            make(pipe)
    assert cli.main(["boot", str(pipe)]) == 2
    assert "is a pipe or a device" in capsys.readouterr().err


def test_a_device_where_a_file_was_expected_is_a_sentence():
    for device in ("/dev/zero", "/dev/full"):
        if Path(device).exists():
            with pytest.raises(Mistake, match="is a pipe or a device"):
                RamDisk.from_file(device)


def test_a_name_that_cannot_be_is_a_sentence(run, tmp_path):
    for name in ("a\0b.svg", "x" * 300 + ".svg", tmp_path / "no folder" / "x.svg"):
        with pytest.raises(Mistake, match="cannot write"):
            run.draw(name)


def test_lessons_are_not_delivered_through_links(course, tmp_path):
    folder, victim = tmp_path / "copies", tmp_path / "victim"
    folder.mkdir()
    victim.mkdir()
    for name in ("work", "part", "manifest"):
        (victim / name).write_text("precious")
    (folder / "00_tour.ipynb").symlink_to(victim / "work")
    (folder / ".05_send.ipynb.part").symlink_to(victim / "part")
    (folder / f".{MANIFEST}.part").symlink_to(victim / "manifest")
    assert "You changed 00_tour.ipynb" in str(deliver(folder))
    assert {path.name: path.read_text() for path in victim.iterdir()} == dict.fromkeys(
        ("work", "part", "manifest"), "precious"
    )
    assert (folder / "05_send.ipynb").read_text() == "05_send.ipynb, version 1"
    assert not (folder / "05_send.ipynb").is_symlink()


def test_a_linked_list_of_lessons_is_not_written_through(course, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / MANIFEST).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Mistake, match="is a link, not a file; name another folder"):
        deliver(folder)
    assert not (tmp_path / "elsewhere").exists()


@needs_pipes
def test_a_pipe_in_place_of_a_lesson_is_a_sentence(course, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    os.mkfifo(folder / "00_tour.ipynb")
    with pytest.raises(Mistake, match=r"00_tour\.ipynb is a pipe or a device, not a file; name another folder"):
        deliver(folder)


@pytest.mark.parametrize(
    "listed", ['{"00_tour.ipynb": 5}', "[]", '{"a": {}}', "\xff", "nul", "[" * 200_000, "{}{}", '{"\\ud800": "x"}']
)
def test_a_damaged_list_of_lessons_changes_nothing_of_the_learners(course, tmp_path, listed):
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / MANIFEST).write_bytes(listed.encode("latin-1"))
    (folder / "00_tour.ipynb").write_text("my work")
    assert "You changed 00_tour.ipynb" in str(deliver(folder))
    assert (folder / "00_tour.ipynb").read_text() == "my work"


@pytest.mark.parametrize("text", ["[" * 200_000, "3", "[]", '{"cells": 3}', '{"cells": [3]}', "\xff"])
def test_what_is_no_notebook_is_a_sentence(tmp_path, text):
    (tmp_path / "x.ipynb").write_bytes(text.encode("latin-1"))
    with pytest.raises(Mistake, match="is no notebook"):
        code_cells(tmp_path / "x.ipynb")


@pytest.mark.slow
def test_a_killed_start_leaves_whole_lessons_or_none(tmp_path):
    for _ in range(5):
        start = [
            sys.executable,
            "-c",
            f"from hfedu.cli import main; main(['course', 'start', {str(tmp_path / 'c')!r}])",
        ]
        process = subprocess.Popen(start, stdout=subprocess.DEVNULL)
        while not list(tmp_path.glob("c/*.ipynb")) and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in (tmp_path / "c").glob("[0-9]*.ipynb"):
            assert path.read_bytes() == notebooks.as_delivered(notebooks.source()[0] / path.name)


@pytest.mark.parametrize("room", range(0, 18, 3))
def test_a_full_disk_is_told_and_progress_is_added_when_there_is_room(progress, monkeypatch, capsys, room):
    kernel = Record()
    with monkeypatch.context() as full:
        fill(full, room)
        kernel.note("05-decode", Standing.RIGHT)
    shortened = room < len("05-decode right\n")
    assert ("Your progress cannot be written" in capsys.readouterr().err) == shortened
    assert kernel.standings() == {"05-decode": Standing.RIGHT}
    kernel.note("05-echo", Standing.WRONG)
    assert Record().standings() == {"05-decode": Standing.RIGHT, "05-echo": Standing.WRONG}
    assert not kernel.complaint


def rewrite(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


EDITORS = {
    "marks the byte order": rewrite(lambda text: b"\xef\xbb\xbf" + text),
    "writes CRLF": rewrite(lambda text: text.replace(b"\n", b"\r\n")),
    "cuts the last line end": rewrite(lambda text: text.rstrip()),
    "writes UTF-16": rewrite(lambda text: text.decode().encode("utf-16")),
}


@pytest.mark.parametrize("editor", EDITORS)
def test_progress_survives_an_editor(progress, editor):
    before = Record()
    before.note("05-decode", Standing.RIGHT)
    before.note("05-echo", Standing.WRONG)
    EDITORS[editor](progress)
    assert Record().standings() == before.standings()


@pytest.mark.parametrize("lost", [b"", b"05-decode right\n", b"\0" * 100, b"\xff\xfe\xff"])
def test_what_an_editor_lost_comes_back_with_the_next_line(progress, lost):
    kernel = Record()
    kernel.note("05-decode", Standing.RIGHT)
    kernel.note("05-echo", Standing.RIGHT)
    progress.write_bytes(lost)
    kernel.note("07-order", Standing.RIGHT)
    if not lost.startswith(b"\xff"):
        assert Record().standings() == dict.fromkeys(("05-decode", "05-echo", "07-order"), Standing.RIGHT)
    assert kernel.standings() == dict.fromkeys(("05-decode", "05-echo", "07-order"), Standing.RIGHT)


def test_progress_is_not_written_through_a_link(progress, tmp_path, capsys):
    (tmp_path / "precious").write_text("precious")
    progress.symlink_to(tmp_path / "precious")
    Record().note("05-decode", Standing.RIGHT)
    assert "is a link, not a file" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "precious"


@needs_pipes
def test_progress_in_a_pipe_or_a_device_is_one_sentence(progress, monkeypatch, capsys):
    os.mkfifo(progress)
    for place in (progress, "/dev/full", "/dev/zero", "a\0b"):
        monkeypatch.setattr(record, "where", lambda place=place: Path(place))
        kernel = Record()
        kernel.note("05-decode", Standing.RIGHT)
        kernel.note("05-echo", Standing.RIGHT)
        assert capsys.readouterr().err.count("Your progress cannot be written") == 1
        assert len(kernel.standings()) == 2
