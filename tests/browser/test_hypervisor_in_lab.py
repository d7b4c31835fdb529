"""You are the hypervisor in a real JupyterLab: decided by keyboard, done as decided, undone."""


def test_decide_by_keyboard_what_the_hypervisor_does(notebook):
    book = notebook("06_wake_up_and_wait_for_interrupt.ipynb")
    book.run_all()
    page = book.page
    form = page.locator(".widget-vbox", has=page.locator('button:text-is("Do it")')).first
    form.scroll_into_view_if_needed()
    status = form.locator('[role="status"]')

    def choose(field, downs):
        form.get_by_label(field, exact=True).focus()
        for _ in range(downs):
            page.keyboard.press("ArrowDown")

    form.locator("text=HF_MAILBOX_SEND(VM 1, 5 bytes)").first.wait_for()
    choose("mailbox", 6)
    choose("wakes", 1)
    book.picture("you-are-the-hypervisor-light")
    form.locator('button:text-is("Do it")').focus()
    page.keyboard.press("Enter")
    status.locator("text=Trap 1. As the real one.").wait_for()
    choose("the CPU goes on with", 1)
    form.locator('button:text-is("Do it")').click()
    status.locator("text=Trap 2. As the real one.").wait_for()
    form.locator('button:text-is("Do it")').click()
    status.locator("text=Trap 3. The real one does something else:").wait_for()
    form.locator("td", has_text="VM 2: READ").wait_for()
    assert "RUNNING, has the CPU" in form.inner_text()
    form.scroll_into_view_if_needed()
    book.picture("you-are-the-hypervisor-wrong")
    form.locator('button:has-text("undo")').click()
    status.locator("text=One choice undone.").wait_for()
    assert form.locator("text=HF_MAILBOX_SEND(VM 2, 5 bytes)").count()
    book.dark_and_small(form, "you-are-the-hypervisor")
    book.no_errors()
