"""Worksheets on paper: whole pages for each, no question cut in two, and nothing is loaded."""

import re

import pytest

from hfedu.course.worksheets import worksheets

SHEETS = 8
PAGES = {"02": 2, "05": 3, "08": 3}
"""Of a sheet, by its lesson: the third has the lesson's own predictions and orders, where they have variants."""


@pytest.mark.parametrize("lesson", PAGES)
@pytest.mark.parametrize("key", [False, True], ids=["sheets", "answers"])
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_each_sheet_is_so_many_pages_of_paper(browser, tmp_path, paper, key, lesson):
    path = tmp_path / "sheets.html"
    path.write_text(worksheets(lesson, "Ada", SHEETS, key), "utf-8")
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    printed = page.pdf(format=paper, prefer_css_page_size=False)
    page.emulate_media(media="print")
    tallest = page.evaluate("Math.max(...Array.from(document.querySelectorAll('section > div'), d => d.offsetHeight))")
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == PAGES[lesson] * SHEETS
    assert tallest < 900, "a question fits on a page, so that it need not be cut"
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
