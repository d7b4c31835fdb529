"""A notebook exported: the picture and its words are in what comes out, and nothing is fetched."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from hfedu import cli
from hfedu.course.export import FORMS, tag_slides

LESSONS = sorted((Path(__file__).parent.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
RUN = """import hfedu
from hfedu import RamDisk, configure, send


def primary():
    yield configure()
    yield send(1, "x")


run = hfedu.boot(RamDisk(primary, [primary]), title="Two of a kind")
run"""
SRC = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](https?:[^\"']*)")


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "my lesson.ipynb"
    picture = "from hfedu.view.sequence import sequence\nsequence(run)"
    cells = [v4.new_markdown_cell("# A title"), v4.new_code_cell(RUN), v4.new_code_cell(picture)]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_executed_it_shows_pictures_with_words_and_no_widget(notebook, form, capsys):
    assert cli.main(["course", "export", str(notebook), "--to", form, "--execute"]) == 0
    path = notebook.with_suffix(".slides.html" if form == "slides" else ".html")
    assert capsys.readouterr().out == f"Written to {path}\n"
    text = path.read_text("utf-8")
    alts = re.findall(r'<img alt="([^"]*)" src="data:image/svg\+xml;base64,', text)
    assert len(alts) == 2
    assert all("Two of a kind" in alt for alt in alts)
    assert "No description has been provided" not in text
    assert "widget-view+json" not in text
    if form == "html":
        assert not SRC.findall(text)
    else:
        assert text.count("<section>") >= 3


@pytest.mark.slow
@pytest.mark.parametrize("template", ["lab", "classic", "reveal"])
def test_plain_nbconvert_shows_pictures_with_words(notebook, template):
    """What an editor exports, and who has no hfedu: of nbconvert's own output, whatever the template."""
    form = ("slides",) if template == "reveal" else ("html", "--template", template)
    command = [sys.executable, "-m", "jupyter", "nbconvert", notebook, "--execute", "--to", *form]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Alternative text is missing" not in done.stderr
    text = next(notebook.parent.glob("*.html")).read_text("utf-8")
    images = re.findall(r"<img [^>]*>", text)
    assert len(images) == 2
    assert all('alt="Sequence diagram of Two of a kind' in image and "data:image/svg+xml" in image for image in images)


@pytest.mark.slow
def test_the_words_of_a_picture_are_words_whatever_is_in_them(notebook):
    title = """A "quoted" <b> & 'title' > \x07 </title>"""
    book = nbformat.read(notebook, as_version=4)
    book.cells[1].source = book.cells[1].source.replace('"Two of a kind"', repr(title))
    nbformat.write(book, notebook)
    subprocess.run(
        [sys.executable, "-m", "jupyter", "nbconvert", notebook, "--execute", "--to", "html"], check=True,
        capture_output=True,
    )  # fmt: skip
    images = BeautifulSoup(notebook.with_suffix(".html").read_text("utf-8"), "html.parser").find_all("img")
    assert len(images) == 2
    assert all(title.replace("\x07", "?") in image["alt"] for image in images)


def test_what_cannot_be_exported_is_a_sentence(tmp_path, capsys):
    cells = '{"cells": %s, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    cell = '[{"cell_type": "code", "source": 5, "metadata": {}, "outputs": 7, "id": "a", "execution_count": null}]'
    wrong = ("no notebook", "", "null", "[]", "3", "{}", "[" * 200_000, cells % 3, cells % "[{}]", cells % cell, "\0")
    for number, text in enumerate(wrong):
        (tmp_path / f"{number}.ipynb").write_text(text)
    (tmp_path / "bytes.ipynb").write_bytes(b"\xff\xfe")
    (tmp_path / "zero.ipynb").symlink_to("/dev/zero")
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    for path in (*sorted(tmp_path.iterdir()), tmp_path / "none.ipynb", tmp_path / "\0.ipynb"):
        assert cli.main(["course", "export", str(path)]) == 2
        said = capsys.readouterr().err
        assert "is no notebook that can be read" in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_slides(path):
    book = nbformat.read(path, as_version=4)
    tag_slides(book)
    kinds = Counter(cell.metadata["slideshow"]["slide_type"] for cell in book.cells)
    assert kinds["slide"] >= 4
    assert kinds["subslide"] >= 3
