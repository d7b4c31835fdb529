"""Arrange in a real JupyterLab: steps moved by keyboard, a wrong order beside a right one."""


def test_arrange_by_keyboard(notebook):
    book = notebook("05_send_and_receive.ipynb")
    book.run_all()
    page = book.page
    form = page.locator(".widget-vbox", has=page.locator('button:text-is("Check")')).first
    form.scroll_into_view_if_needed()
    steps, status = form.get_by_label("order"), form.locator('[role="status"]').first

    def press(name):
        form.locator(f'button:has-text("{name}")').focus()
        page.keyboard.press("Enter")

    steps.focus()
    page.keyboard.press("Home")
    for place in (2, 3, 4, 5):
        press("Down")
        status.locator(f"text=“wake the vCPU that waits” is step {place} of 5.").wait_for()
    press("Check")
    status.locator("text=05-arrange-send: wrong. VM 1 waits, and VM 0 sends it “one”. The send returns -1.").wait_for()
    players = form.locator(".hfedu")
    players.nth(1).wait_for()
    names = form.locator(".run-name").all_inner_texts()
    assert [name.rsplit(": ", 1)[1] for name in names] == ["your answer", "right"]
    form.scroll_into_view_if_needed()
    book.picture("arrange-light")
    steps.focus()
    page.keyboard.press("Home")  # the message is copied before the checks: move it down, below both
    for place in (2, 3, 4):
        press("Down")
        status.locator(f"text=is step {place} of 5.").wait_for()
    press("Check")
    status.locator("text=05-arrange-send: wrong.").wait_for()
    steps.focus()
    page.keyboard.press("Home")  # and so must the state be set
    for place in (2, 3, 4):
        press("Down")
        status.locator(f"text=is step {place} of 5.").wait_for()
    press("Check")
    status.locator("text=05-arrange-send: right.").wait_for()
    players.nth(1).wait_for(state="detached")
    players.first.wait_for()
    book.dark_and_small(form, "arrange")
    book.no_errors()
