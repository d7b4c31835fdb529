"""Every lesson runs from top to bottom in a real JupyterLab; predictions and playgrounds answer to clicks."""

import pytest

from hfedu.course.notebooks import code_cells, lessons
from hfedu.widgets.still import AFTER


def pictures(path):
    """How many widgets with a picture a lesson shows, as it is stored: each stands before a widget's two outputs."""
    outputs = [output.get("data", {}) for cell in code_cells(path) for output in (*cell.get("outputs", ()), {}, {})]
    afters = [index for index, data in enumerate(outputs) if "".join(data.get("text/html", "")) == AFTER]
    return sum("image/svg+xml" in outputs[index - 2] for index in afters)


@pytest.mark.parametrize("path", [lesson.path for lesson in lessons()], ids=lambda path: path.stem)
def test_lesson_runs_and_judges_a_prediction(notebook, path):
    players = pictures(path)
    assert players, "a lesson shows a run"
    book = notebook(path.name)
    book.run_all()
    page = book.page
    form = page.locator(".widget-vbox", has=page.locator('button:has-text("Commit")')).first
    form.scroll_into_view_if_needed()
    for group in form.locator(".widget-radio").all():
        group.locator("input").first.check()
    form.locator('button:has-text("Commit")').click()
    form.locator("text=right.").first.wait_for()
    form.locator(".hfedu").wait_for()
    book.picture(f"{path.stem}-prediction")
    page.locator(".hfedu").nth(players).wait_for()  # one for each picture at least, and the prediction's
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()
    book.no_errors()


def test_a_prediction_is_chosen_with_the_arrow_keys(notebook):
    book = notebook("07_clear_and_back_pressure.ipynb")
    book.run_all()
    page = book.page
    form = page.locator(".widget-vbox", has=page.locator('button:has-text("Commit")')).first
    form.scroll_into_view_if_needed()
    choices = form.locator(".widget-radio").first.locator("input")
    choices.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert [choice.is_checked() for choice in choices.all()] == [False, False, True]
    assert choices.nth(2).evaluate("radio => radio === document.activeElement")
    book.no_errors()
