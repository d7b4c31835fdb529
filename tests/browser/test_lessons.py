"""Every lesson runs from top to bottom in a real JupyterLab; predictions and playgrounds answer to clicks."""

import pytest


@pytest.mark.parametrize(
    ("name", "players"),
    [
        ("00_tour", 2),
        ("01_registers_and_traps", 1),
        ("02_stage_two", 1),
        ("03_vcpus_and_the_primary_loop", 2),
        ("04_the_hypercall_abi", 1),
        ("05_send_and_receive", 2),
        ("06_wake_up_and_wait_for_interrupt", 5),
        ("07_clear_and_back_pressure", 2),
        ("08_any_vm_to_any_vm", 2),
        ("09_what_the_commit_changed", 2),
        ("10_locks_and_orders", 2),
        ("11_the_race_that_shipped", 3),
        ("12_fourteen_defects", 1),
        ("13_write_a_guest", 1),
        ("14_capstone", 5),
        ("15_interrupts_and_time", 2),
        ("16_from_2018_to_ff_a", 4),
    ],
)
def test_lesson_runs_and_judges_a_prediction(notebook, name, players):
    book = notebook(f"{name}.ipynb")
    book.run_all()
    page = book.page
    form = page.locator(".widget-vbox", has=page.locator('button:has-text("Commit")')).first
    form.scroll_into_view_if_needed()
    for group in form.locator(".widget-radio").all():
        group.locator("input").first.check()
    form.locator('button:has-text("Commit")').click()
    form.locator("text=right.").first.wait_for()
    form.locator(".hfedu").wait_for()
    book.picture(f"{name}-prediction")
    page.locator(".hfedu").nth(players).wait_for()
    assert page.locator(".hfedu").count() == players + 1
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
