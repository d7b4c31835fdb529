"""A notebook that was run, saved and opened without a kernel: each widget has left something to look at."""

import json
import urllib.request

import nbformat
from conftest import PICTURES, TOKEN, Notebook

CELLS = (
    "import hfedu\nhfedu.tour()",
    "hfedu.playground()",
    "hfedu.you_are_the_hypervisor()",
    'hfedu.arrange("07-order")',
    'hfedu.predict("00-who-runs")',
)
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
SEEN = ".jp-OutputArea-child:visible"


def end_all_kernels(address):
    """Shut all kernels down."""
    for session in json.load(urllib.request.urlopen(f"{address}/api/sessions?token={TOKEN}")):
        where = f"{address}/api/sessions/{session['id']}?token={TOKEN}"
        urllib.request.urlopen(urllib.request.Request(where, method="DELETE"))


def test_each_form_leaves_its_picture_or_its_words(lab, browser):
    address, folder = lab
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), folder / "left.ipynb")
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    book = Notebook(context.new_page(), address, "left.ipynb")
    page = book.page
    book.run_all()
    living = page.locator(".hfedu-lives")
    for _ in range(100):
        if living.count() == len(CELLS):
            break
        page.wait_for_timeout(100)
    cells = page.locator(".jp-CodeCell")
    assert cells.count() == len(CELLS)
    for cell in cells.all():
        assert cell.locator(SEEN).count() == 1, "the widget alone"
        assert cell.locator(".hfedu-lives").is_visible()
    page.locator(".jp-InputPrompt").first.click()
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2000)
    end_all_kernels(address)
    page.close()
    page = Notebook(context.new_page(), address, "left.ipynb").page
    page.locator(".hfedu-after:visible").first.wait_for()
    cells = page.locator(".jp-CodeCell").all()
    for cell, picture in zip(cells, (True, True, True, False, False), strict=True):
        seen = cell.locator(SEEN)
        assert seen.count() == 2, "what it left, and how to use it"
        assert seen.nth(0).locator("svg, img").count() == picture
        assert seen.nth(1).inner_text().strip().endswith("Run the cell to use it.")
        if not picture:
            assert len(seen.nth(0).inner_text().splitlines()) >= 2
    assert not page.locator("text=model not found").locator("visible=true").count()
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / "forms-reopened.png")
    context.close()
