"""A guest is edited in the player: what is wrong with it is said, and both runs stand side by side."""

import nbformat
from axe_playwright_python.sync_playwright import Axe

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
SOURCE = """
import hfedu
from hfedu import RamDisk, clear, configure, receive, send, vcpu_run

def primary():
    yield configure()
    yield vcpu_run(1)
    yield send(1, "one")
    yield vcpu_run(1)
    yield send(1, "two")

def reader():
    yield configure()
    yield receive()
    yield clear()

hfedu.boot(RamDisk(primary, [reader]), title="A run")
"""


def no_bar(page, context):
    results = Axe().run(page, context=context)
    assert not results.response["violations"], results.generate_report()


def test_a_guest_is_edited_and_run_again(notebook, lab):
    cells = [nbformat.v4.new_code_cell(SOURCE)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), lab[1] / "edited.ipynb")
    book = notebook("edited.ipynb", width=1366, height=768)
    book.run_all()
    page = book.page
    player = page.locator(".hfedu").first
    player.scroll_into_view_if_needed()
    player.locator("input[type=number]").fill("8")
    page.keyboard.press("Enter")
    player.get_by_role("tab", name="Code").click()
    player.get_by_role("button", name="edit the guest of VM 1").click()
    text = player.get_by_label("source of the guest")
    player.locator(".editor", has_text="in Python").wait_for()
    assert text.input_value().startswith("def reader():")
    written = text.input_value()
    text.fill(written.replace("clear()", "cleer()"))
    page.keyboard.press("Shift+Enter")
    player.get_by_text("Line 4: NameError: name 'cleer' is not defined.").wait_for()
    assert page.locator(".jp-InputPrompt").first.inner_text() == "[1]:", "the key ran the guest, not the cell"
    page.keyboard.type("d d x a")
    assert "d d x a" in text.input_value(), "all keys are the text's"
    no_bar(page, ".hfedu")
    text.fill(written.replace("    yield clear()\n", ""))
    player.get_by_role("button", name="run again").click()
    pair = page.locator(".hfedu-pair")
    pair.get_by_text("A run: edited").first.wait_for()
    assert "Event" in pair.locator(".common b").inner_text()
    second = pair.locator(".hfedu").nth(1)
    second.get_by_role("tab", name="Code").click()
    second.locator("input[type=number]").fill("10")
    page.keyboard.press("Enter")
    second.locator("[data-part=guest]", has_text="yield receive()").wait_for()
    assert "yield clear()" not in second.locator("[data-part=guest]").inner_text(), (
        "the code is that of the edited guest"
    )
    assert pair.get_by_role("button", name="edit the guest").count() == 0
    book.picture("edited")
    no_bar(page, ".hfedu-pair")
    pair.get_by_role("button", name="back to the editor").click()
    pair.wait_for(state="detached")
    assert "clear" not in text.input_value(), "what was written is still there"
    page.keyboard.press("Escape")
    player.locator(".piece").first.wait_for()
    assert player.evaluate("player => player === document.activeElement")
    book.dark()
    player.get_by_role("button", name="edit the guest of VM 1").click()
    no_bar(page, ".hfedu")
