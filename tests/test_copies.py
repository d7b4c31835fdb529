"""hfedu course start: a learner gets new lessons and never loses a changed one."""

import json
import os

import pytest

from hfedu import cli
from hfedu.course import notebooks
from hfedu.course.notebooks import MANIFEST, deliver


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of two lessons and a page, whose lessons can be given new versions: the folder of the lessons."""
    folder = tmp_path / "origin"
    folder.mkdir()
    for name in ("00_tour.ipynb", "05_send.ipynb", "glossary.md"):
        (folder / name).write_text(f"{name}, version 1")
    monkeypatch.setattr(notebooks, "source", lambda: (folder, False))
    return folder


@pytest.fixture
def copies(course, tmp_path):
    """A learner's folder."""
    deliver(tmp_path / "new" / "copies")
    return tmp_path / "new" / "copies"


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file() and path.name != MANIFEST}


def test_the_first_start_copies_everything(course, copies):
    assert content(copies) == content(course)


def test_an_unchanged_copy_is_updated_and_a_deleted_one_comes_back(course, copies):
    (course / "05_send.ipynb").write_text("version 2")
    (copies / "00_tour.ipynb").unlink()
    done = deliver(copies)
    assert (done.new, done.updated, done.changed) == (1, 1, [])
    assert content(copies) == content(course)


def test_a_changed_copy_is_left_alone_and_the_new_version_stands_beside_it_once(course, copies):
    (copies / "05_send.ipynb").write_text("my work")
    assert deliver(copies).changed == ["You changed 05_send.ipynb, so it was left alone."]
    assert "05_send.new.ipynb" not in content(copies)

    (course / "05_send.ipynb").write_text("version 2")
    assert deliver(copies).changed == [
        "You changed 05_send.ipynb, so it was left alone; its new version is 05_send.new.ipynb."
    ]
    assert content(copies)["05_send.ipynb"] == "my work"
    assert content(copies)["05_send.new.ipynb"] == "version 2"

    (copies / "05_send.new.ipynb").unlink()
    deliver(copies)
    assert "05_send.new.ipynb" not in content(copies)


def test_a_changed_new_version_is_left_alone_too(course, copies):
    (copies / "05_send.ipynb").write_text("my work")
    (course / "05_send.ipynb").write_text("version 2")
    deliver(copies)
    (copies / "05_send.new.ipynb").write_text("my work on it")
    (course / "05_send.ipynb").write_text("version 3")
    assert "you changed 05_send.new.ipynb too" in deliver(copies).changed[0]
    assert content(copies)["05_send.ipynb"] == "my work"
    assert content(copies)["05_send.new.ipynb"] == "my work on it"
    (copies / "05_send.new.ipynb").rename(copies / "kept.ipynb")
    deliver(copies)
    assert content(copies)["05_send.new.ipynb"] == "version 3"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"05_send.ipynb": 3}'])
def test_without_a_readable_list_whatever_differs_counts_as_changed(course, copies, damage):
    (copies / MANIFEST).write_text(damage)
    (course / "05_send.ipynb").write_text("version 2")
    assert len(deliver(copies).changed) == 1
    assert content(copies)["05_send.ipynb"] == "05_send.ipynb, version 1"
    assert "05_send.ipynb" not in json.loads((copies / MANIFEST).read_text()) or damage.startswith('{"')


def test_the_command_says_what_it_did_and_how_to_go_on(course, copies, capsys):
    (copies / "05_send.ipynb").write_text("my work")
    assert cli.main(["course", "start", str(copies)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "The lessons are there: 0 new, 0 updated."
    assert said[1].startswith("You changed 05_send.ipynb")
    assert said[2] == f"Open them: hfedu lab {copies}"


def test_lab_delivers_in_the_same_way(course, copies, monkeypatch):
    opened = []
    monkeypatch.setattr(notebooks, "become", lambda command: opened.append(command) or 7)
    (copies / "05_send.ipynb").write_text("my work")
    (course / "00_tour.ipynb").write_text("version 2")
    assert cli.main(["lab", str(copies)]) == 7
    assert content(copies)["05_send.ipynb"] == "my work"
    assert content(copies)["00_tour.ipynb"] == "version 2"
    assert str(copies / "00_tour.ipynb") in opened[0]


def test_a_copy_has_the_cells_of_its_lesson_and_no_outputs(tmp_path):
    deliver(tmp_path)
    for lesson in notebooks.lessons():
        mine, theirs = notebooks.code_cells(tmp_path / lesson.path.name), notebooks.code_cells(lesson.path)
        assert [cell["source"] for cell in mine] == [cell["source"] for cell in theirs]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in mine)
    assert deliver(tmp_path)[:2] == (0, 0)


def test_lab_opens_copies_also_in_a_clone_and_nothing_lies_over_them(tmp_path, monkeypatch):
    opened = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/theirs")
    monkeypatch.setattr(notebooks, "become", lambda command: opened.append(command) or 0)
    assert cli.main(["lab"]) == 0
    home = tmp_path / "hfedu-notebooks"
    assert opened[0][4] == "hfedu-notebooks/00_tour.ipynb"
    assert os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep) == ["/theirs", str(home / ".hfedu-lab")]
    settings = json.loads((home / ".hfedu-lab" / "labconfig" / "default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    layout = home / ".hfedu-lab" / "workspaces"
    assert f"--LabApp.workspaces_dir={layout}" in opened[0]
    (kept,) = layout.iterdir()
    assert json.loads(kept.read_text())["data"]["layout-restorer:data"]["left"]["collapsed"]
    kept.write_text("what JupyterLab remembers")
    assert cli.main(["lab"]) == 0
    assert kept.read_text() == "what JupyterLab remembers"


def test_lab_starts_without_its_settings_where_none_can_be_written(copies, monkeypatch):
    opened = []
    monkeypatch.setattr(notebooks, "become", lambda command: opened.append(command) or 0)
    (copies / ".hfedu-lab").write_text("in the way")
    assert cli.main(["lab", str(copies)]) == 0
    assert not any("workspaces" in part for part in opened[0])


def test_lab_hands_on_the_options_of_jupyter(copies, monkeypatch):
    opened = []
    monkeypatch.setattr(notebooks, "become", lambda command: opened.append(command) or 0)
    assert cli.main(["lab", str(copies), "--", "--no-browser", "--port", "8889"]) == 0
    assert opened[0][-3:] == ["--no-browser", "--port", "8889"]


def test_a_folder_that_cannot_be_is_a_sentence(course, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "odd" / "05_send.ipynb").mkdir(parents=True)
    for bad in ("file", "file/below", "origin", "odd"):
        assert cli.main(["course", "start", str(tmp_path / bad)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("hfedu: ")
        assert said.count("\n") == 1
        assert "name another folder" in said
