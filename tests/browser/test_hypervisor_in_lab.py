"""You are the hypervisor in a real JupyterLab: decided at the lifelines by keyboard and by mouse, done, undone."""


def test_decide_by_keyboard_what_the_hypervisor_does(notebook):
    book = notebook("06_wake_up_and_wait_for_interrupt.ipynb", height=768, width=1366)
    book.run_all()
    page = book.page
    form = page.locator(".hfedu", has=page.get_by_role("button", name="Do it")).first
    form.scroll_into_view_if_needed()
    told = form.locator(".told")

    def choose(name):
        chip = form.get_by_role("button", name=name, exact=True)
        chip.focus()
        page.keyboard.press("Enter")
        form.locator('.chip[aria-pressed="true"]').and_(chip).wait_for()
        assert chip.evaluate("chip => chip === document.activeElement"), "the keyboard stays where it is"

    told.locator("text=VM 0 sends 5 bytes to VM 1").wait_for()
    choose("mailbox: VM 1: READ")
    choose("wakes: VM 1")
    book.picture("you-are-the-hypervisor-light")
    form.get_by_role("button", name="Do it").focus()
    page.keyboard.press("Enter")
    told.locator("text=Trap 1. As the real one.").wait_for()
    form.get_by_role("button", name="the CPU goes on with: VM 1", exact=True).click()
    form.get_by_role("button", name="Do it").click()
    told.locator("text=Trap 2. As the real one.").wait_for()
    form.get_by_role("button", name="Do it").click()
    told.locator("text=Trap 3. The real one does something else:").wait_for()
    page.locator("td", has_text="VM 2: READ").wait_for()
    seen = page.locator(".jp-WindowedPanel-outer").bounding_box()
    form.scroll_into_view_if_needed()
    box = form.bounding_box()
    assert box["height"] <= seen["height"], "question, picture and answers are on one screen"
    book.picture("you-are-the-hypervisor-wrong")
    form.get_by_role("button", name="undo").click()
    told.locator("text=One choice undone.").wait_for()
    assert told.locator("text=VM 1 sends 5 bytes to VM 2").count()
    book.dark_and_small(form, "you-are-the-hypervisor")
    for name in ("Do it", "wakes: VM 1", "mailbox: VM 1: READ"):
        chip = form.get_by_role("button", name=name, exact=True)
        assert chip.is_enabled(), "at any width"
        assert chip.bounding_box()["x"] + chip.bounding_box()["width"] <= 400
    book.no_errors()
