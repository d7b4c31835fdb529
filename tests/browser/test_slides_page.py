"""Slides in a browser: a clicker goes through events and slides, and nothing is loaded; and what nbconvert makes."""

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import nbformat
import pytest
from conftest import CHROMIUM

from hfedu.course.slides import slides_page
from hfedu.view.theme import LIGHT


def test_page_down_goes_on_event_by_event_and_slide_by_slide(browser, tmp_path):
    path = tmp_path / "slides.html"
    path.write_text(slides_page("05"), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    where, count = page.locator("#where"), page.locator(".slide").count()
    while not page.locator(".slide.now.run").count():
        page.keyboard.press("PageDown")
    slide = where.inner_text()
    page.keyboard.press("PageDown")
    assert where.inner_text() == slide, "the player is at its second event, and the slide is the same"
    presses = 1
    while where.inner_text() == slide:
        page.keyboard.press("PageDown")
        presses += 1
        assert presses < 200
    assert presses > 10, "a slide with a player takes one press for each of its events"
    page.keyboard.press("PageUp")
    assert where.inner_text() == slide
    page.keyboard.press("Control+ArrowRight")
    assert where.inner_text() != slide
    for _ in range(2 * count + 100):
        page.keyboard.press("PageDown")
    assert where.inner_text() == f"{count} of {count}"
    box = page.locator("nav").bounding_box()
    assert box["y"] + box["height"] <= 720
    assert not wrong
    assert asked == [path.as_uri()]
    page.close()


RUN = """import hfedu
from hfedu import RamDisk, configure


def primary():
    yield configure()



hfedu.boot(RamDisk(primary), title="Alone")"""
MADE = {"html": ".html", "slides": ".slides.html", "webpdf": ".pdf"}


@pytest.mark.parametrize("form", MADE)
def test_what_nbconvert_makes_shows_its_picture_without_a_network(browser, tmp_path, form):
    notebook = tmp_path / "a run.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(RUN)]), notebook)
    command = [sys.executable, "-m", "jupyter", "nbconvert", notebook, "--execute", "--to", form]
    subprocess.run([*command, "--WebPDFExporter.disable_sandbox=True"], env=with_chromium(tmp_path), check=True)
    path = notebook.with_name(notebook.stem + MADE[form])
    if form == "webpdf":
        streams = re.findall(rb"stream\r?\n(.*?)endstream", path.read_bytes(), re.DOTALL)
        drawn = b"".join(zlib.decompressobj().decompress(data) for data in streams if data[:1] == b"x")
        call = " ".join(f"{int(LIGHT.call[at : at + 2], 16) / 255:.4f}".removeprefix("0") for at in (1, 3, 5))
        assert drawn.count(f"{call} RG".encode()) >= 2, "the arrow of a call, in its colour"
        return
    context = browser.new_context()
    context.set_offline(True)
    page = context.new_page()
    page.goto(path.as_uri())
    picture = page.get_by_role("img", name=re.compile("^Sequence diagram of Alone"))
    assert picture.is_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 300
    context.close()


def with_chromium(folder):
    """An environment in which the Chromium that is here is where nbconvert looks for Playwright's own."""
    environment = os.environ | {"PLAYWRIGHT_BROWSERS_PATH": str(folder / "browsers")}
    code = "import asyncio, playwright.async_api as p\nasync def main():\n async with p.async_playwright() as a:\n  "
    code += "await a.chromium.launch()\nasyncio.run(main())"
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    place = Path(re.search(r"Executable doesn't exist at (\S+)", said.stderr)[1])
    place.parent.mkdir(parents=True)
    place.symlink_to(CHROMIUM)
    return environment
