"""The player in JupyterLab as it comes, in a lesson as a learner gets it: all of it is to be seen at once."""

import json
import urllib.request

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import PICTURES, TOKEN, Notebook, now

SIZES = [(1366, 768), (1920, 1080)]


@pytest.fixture
def lesson(delivered, browser):
    """Opens a delivered lesson in a window of a size."""
    contexts = []

    def open_lesson(name, width, height):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        return Notebook(context.new_page(), delivered[0], name)

    yield open_lesson
    for context in contexts:
        context.close()


def run_to_the_first_player(book):
    """Shift+Enter from the top, as a learner does, until a cell shows a player."""
    page = book.page
    page.locator(".jp-Notebook").click(position={"x": 5, "y": 5})
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Home")
    for _ in range(12):
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(300)
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()
        page.wait_for_timeout(700)
        if page.locator(".hfedu").count():
            page.wait_for_timeout(600)
            return page.locator(".hfedu").first
    raise AssertionError("no cell shows a player")


def inside(page, element):
    """Whether the whole of an element is in the part of the notebook that one sees."""
    seen = page.locator(".jp-WindowedPanel-outer").bounding_box()
    box = element.bounding_box()
    return (
        box["y"] >= seen["y"] - 1
        and box["y"] + box["height"] <= seen["y"] + seen["height"] + 1
        and box["x"] >= seen["x"] - 1
        and box["x"] + box["width"] <= seen["x"] + seen["width"] + 1
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES, ids=lambda size: str(size))
def test_picture_and_panel_are_in_view_after_shift_enter(lesson, width, height, dark):
    book = lesson("05_send_and_receive.ipynb", width, height)
    page = book.page
    if dark:
        book.dark()
    player = run_to_the_first_player(book)
    for part in (player, player.locator(".picture"), player.locator(".side"), player.locator(".tools")):
        assert inside(page, part), part
    player.focus()
    page.keyboard.press("Home")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert now(player).startswith("12 ")
    assert inside(page, player), "stepping moves nothing but the picture"
    assert inside(page, player.locator("[data-path='vm1.mailbox.state']"))
    size = player.locator(".picture text").first.evaluate("text => parseFloat(getComputedStyle(text).fontSize)")
    assert size >= 12
    player.get_by_role("tab", name="Code").and_(player.locator(":visible")).click() if width < 1900 else None
    player.locator(".piece [aria-hidden]", has_text="▸").first.wait_for()
    assert 'yield send(1, "hello")' in player.locator("[data-part=guest]").inner_text()
    results = Axe().run(page, context=".hfedu")
    assert not results.response["violations"], results.generate_report()
    book.picture(f"fits-{width}{'-dark' * dark}")
    if dark:
        return
    page.keyboard.press("Escape")
    player.focus()
    page.keyboard.press("z")
    box = player.bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, width, height), "the whole window"
    book.picture(f"fits-full-{width}")
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert inside(page, player)
    book.no_errors()


def test_why_opens_where_it_was_asked(lesson):
    book = lesson("07_clear_and_back_pressure.ipynb", 1366, 768)
    page = book.page
    player = run_to_the_first_player(book)
    player.focus()
    for _ in range(40):
        page.keyboard.press("Shift+ArrowRight")
        if "refused" in now(player):
            break
    page.keyboard.press("w")
    player.locator(".why li").nth(1).wait_for()
    assert inside(page, player.locator(".why"))
    assert inside(page, player)
    assert player.locator("path.causeline").count() >= 2, "and is drawn into the picture"
    book.picture("fits-why")
    book.no_errors()


RUN = """
import hfedu
from hfedu import RamDisk, asset
relay = asset("relay.bin")
hfedu.boot(RamDisk(asset("relay_primary.bin"), [relay, relay]), title="Relay").player(22)
"""


def end_kernels(address):
    """Shut all kernels down."""
    sessions = json.load(urllib.request.urlopen(f"{address}/api/sessions?token={TOKEN}"))
    for session in sessions:
        where = f"{address}/api/sessions/{session['id']}?token={TOKEN}"
        urllib.request.urlopen(urllib.request.Request(where, method="DELETE"))


def test_a_notebook_that_is_opened_without_a_kernel_shows_the_picture(lesson, delivered):
    address, folder = delivered
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(RUN)], metadata=kernel)
    nbformat.write(book, folder / "reopened.ipynb")
    book = lesson("reopened.ipynb", 1366, 768)
    page = book.page
    picture = ".jp-RenderedHTML img:visible"
    book.run_all()
    page.locator(".hfedu .now .n").wait_for()
    assert page.locator(picture).count() == 0, "the player stands for its picture"
    assert page.locator(".hfedu-after:visible").count() == 0
    page.locator(".jp-InputPrompt").first.click()
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2000)
    end_kernels(address)
    page.close()
    page = lesson("reopened.ipynb", 1366, 768).page
    page.locator(picture).first.wait_for()
    page.locator(".hfedu-after:visible").wait_for()
    assert page.locator(".hfedu").count() == 0
    assert page.locator("text=model not found").locator("visible=true").count() == 0
    page.screenshot(path=PICTURES / "fits-reopened.png")
