"""What leads through a player stands in it: captions and answers of the tour, decisions, calls, steps and goals."""

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Notebook

from hfedu.course.lessons.lesson00 import relay

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


@pytest.fixture
def cell(lab, browser):
    """Opens a notebook of one cell, and runs it."""
    contexts = []

    def open_cell(name, source, width=1366, height=768, dark=False, **options):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=KERNEL)
        nbformat.write(book, lab[1] / f"{name}.ipynb")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        book = Notebook(contexts[-1].new_page(), lab[0], f"{name}.ipynb")
        if dark:
            book.dark()
        book.page.locator(".jp-InputPrompt").first.click()
        book.page.keyboard.press("Shift+Enter")
        book.page.locator(".hfedu .guide").wait_for()
        book.page.wait_for_timeout(700)  # it comes into view
        return book

    yield open_cell
    for context in contexts:
        context.close()


def seen(book, *parts):
    """All of these parts of the player are in what one sees of the notebook."""
    outer = book.page.locator(".jp-WindowedPanel-outer").bounding_box()
    for part in parts:
        box = book.page.locator(f".hfedu {part}").first.bounding_box()
        assert outer["y"] - 1 <= box["y"], part
        assert box["y"] + box["height"] <= outer["y"] + outer["height"] + 1, part
    return True


def no_bar(page):
    results = Axe().run(page, context=".hfedu")
    assert not results.response["violations"], results.generate_report()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_tour_asks_at_the_lifelines_and_ticks_off_its_steps(cell, dark):
    book = cell("tour_guided", "import hfedu\nhfedu.tour()", dark=dark)
    page = book.page
    player, guide = page.locator(".hfedu"), page.locator(".guide")
    following = guide.get_by_role("button", name="Next ›")
    while following.is_enabled():
        following.click()
        page.wait_for_timeout(150)
    guide.get_by_text("9 of 13").wait_for()
    assert seen(book, ".picture", ".choices", ".guide-card", ".tools")
    assert page.locator(".hit[data-seq='35']").count() == 0, "the answer is not in the picture yet"
    for vm in range(3):
        head = player.locator(".lane-head", has_text=f"VM {vm}").first.bounding_box()
        chip = guide.locator(".chip", has_text=f"VM {vm}").bounding_box()
        assert abs(head["x"] - chip["x"]) < 12, "each answer stands at its lifeline"
    book.picture(f"tour-asks{'-dark' * dark}")
    no_bar(page)
    guide.locator(".chip", has_text="VM 2").focus()
    page.keyboard.press("Enter")
    guide.locator(".chip", has_text="✓ VM 0").wait_for()
    guide.locator(".chip", has_text="✕ your guess").wait_for()
    assert "Only the primary decides who runs." in guide.locator(".told").inner_text()
    no_bar(page)
    while following.count():
        following.click()
        page.wait_for_timeout(150)
    steps = guide.locator(".step")
    assert steps.count() == 7
    assert "Click on row 13" in guide.locator(".task").inner_text()
    assert seen(book, ".picture", ".guide-card")
    player.locator("input[type=number]").fill("13")
    page.keyboard.press("Enter")
    guide.locator(".step.done").wait_for()
    assert "press → once" in guide.locator(".task").inner_text(), "the next is the one to do"
    player.focus()
    page.keyboard.press("ArrowRight")
    guide.get_by_text("2 of 7 done.").wait_for()
    steps.nth(6).click()
    assert "press D" in guide.locator(".task").inner_text(), "any of them can be read"
    assert steps.nth(6).evaluate("step => step === document.activeElement"), "and the keyboard stays"
    no_bar(page)
    book.picture(f"tour-steps{'-dark' * dark}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_playground_calls_undoes_goes_on_from_an_event_and_knows_its_goals(cell, dark):
    book = cell("playground_guided", "import hfedu\nhfedu.playground()", dark=dark)
    page = book.page
    player, guide = page.locator(".hfedu"), page.locator(".guide")
    told = guide.locator(".told")

    def press(name, says):
        guide.get_by_role("button", name=name, exact=True).click()
        told.get_by_text(says).wait_for()

    assert seen(book, ".picture", ".choices", ".guide-card", ".tools")
    press("VM 0: configure", "VM 0 configures its pages. It returns 0.")
    press("VM 0: run VM 1", "VM 0: run VM 1.")
    assert guide.get_by_role("button", name="VM 0: clear").count() == 0, "VM 1 has the CPU"
    press("VM 1: configure", "VM 1 configures its pages.")
    press("VM 1: receive, block", "VM 1: receive, or wait.")
    guide.get_by_role("textbox", name="message").fill("good day")
    page.keyboard.press("Tab")
    press("VM 0: send to VM 1", "It returns 0.")
    player.locator(".now", has_text="returns 0").wait_for()
    assert player.locator("svg text", has_text="8 bytes “good day”").count()
    press("VM 0: send to VM 1", "has not cleared it")
    player.locator(".now", has_text="returns -1").wait_for()
    assert seen(book, ".picture", ".choices", ".guide-card", ".tools")
    no_bar(page)
    book.picture(f"playground{'-dark' * dark}")
    press("◀ undo", "Undone.")
    press("VM 0: run VM 1", "VM 0: run VM 1.")
    press("VM 1: wait for interrupt", "WFI")
    press("VM 0: send to VM 1", "Reached: VM 1 locked out.")
    guide.locator(".step.done", has_text="VM 1 locked out").wait_for()
    player.focus()
    page.keyboard.press("Home")
    press("go on from this event", "You go on from event 0.")
    press("◀ undo", "Undone.")
    player.locator(".now", has_text="returns -1").wait_for()
    no_bar(page)
    book.dark_and_small(player, f"playground{'-dark' * dark}")
    chip = guide.get_by_role("button", name="VM 0: run VM 2", exact=True)
    chip.scroll_into_view_if_needed()
    chip.click()
    told.get_by_text("VM 0: run VM 2.").wait_for()


def test_by_touch_all_that_is_pressed_is_large_enough_and_apart(cell):
    book = cell("touched", "import hfedu\nhfedu.you_are_the_hypervisor('wake-up')", has_touch=True, is_mobile=True)
    boxes = [chip.bounding_box() for chip in book.page.locator(".guide button").all()]
    assert len(boxes) > 20
    for i, box in enumerate(boxes):
        assert box["width"] >= 44
        assert box["height"] >= 44
        for other in boxes[:i]:
            apart_x = box["x"] >= other["x"] + other["width"] - 1 or other["x"] >= box["x"] + box["width"] - 1
            apart_y = box["y"] >= other["y"] + other["height"] - 1 or other["y"] >= box["y"] + box["height"] - 1
            assert apart_x or apart_y


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_is_drawn_at_the_lifelines_is_found(cell, dark):
    book = cell("wish_guided", "import hfedu\nhfedu.wish()", dark=dark)
    page = book.page
    player, guide = page.locator(".hfedu"), page.locator(".guide")

    def press(name):
        guide.get_by_role("button", name=name, exact=True).click()

    press("a message from VM 1")
    press("to VM 2")
    press("VM 1 sleeps (WFI)")
    guide.locator(".drawn").wait_for()
    assert seen(book, ".picture", ".choices", ".guide-card", ".tools")
    edge = guide.bounding_box()
    for chip in guide.locator(".chip").all():
        box = chip.bounding_box()
        assert box["x"] + box["width"] <= edge["x"] + edge["width"], "none is cut"
    no_bar(page)
    book.picture(f"wish{'-dark' * dark}")
    press("Find a run")
    guide.locator(".told", has_text="There it is").wait_for()
    head = player.locator(".lane-head", has_text="VM 1").last
    assert "WFI" in head.get_attribute("title")
    no_bar(page)
    book.picture(f"wish-found{'-dark' * dark}")
    book.dark_and_small(player, f"wish{'-dark' * dark}")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_step_moves_the_eye_and_nothing_moves_for_who_wants_it_so(open_page, motion):
    run = relay()
    page = open_page(run, at=21, reduced_motion=motion)
    page.locator(".hfedu").focus()
    moving = """() => {
        const picture = document.querySelector(".picture");
        document.querySelector('[aria-label^="one event on"]').click();
        return picture.getAnimations({subtree: true}).map((each) => each.effect.target.getAttribute("class"));
    }"""
    found = page.evaluate(moving)
    if motion == "reduce":
        assert not found
    else:
        assert {"wash", "bar-now"} <= set(found)
        assert any("deliver" in name for name in found)
    assert page.locator(".now .n").inner_text() == "22"


def test_in_forced_colours_what_is_chosen_can_be_read_and_on_paper_the_signs_stay_in_the_head(cell):
    book = cell("forced_guided", "import hfedu\nhfedu.playground()", forced_colors="active")
    page = book.page
    step = page.locator(".guide .step").first
    look = step.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
    assert look[0] != look[1]
    assert step.evaluate("e => getComputedStyle(e).forcedColorAdjust") == "none", "no plate lies behind the text"
    book.picture("playground-forced")
    page.emulate_media(media="print", forced_colors="none")
    head, envelope = (page.locator(f".hfedu {part}").first.bounding_box() for part in (".heads", ".envelope"))
    assert abs(envelope["y"] - head["y"] - head["height"]) < 12
    assert not page.locator(".choices").is_visible()
