"""Orders of steps in a real JupyterLab: CPU columns in the player at a counterexample, a comparison, You schedule."""

import nbformat
import pytest
from conftest import raw, tab

SCENARIO = """
import hfedu
from hfedu import configure, receive, send, vcpu_run

def ready():
    yield configure()
    yield vcpu_run(1)

def run_vm_1():
    yield vcpu_run(1)

def send_and_run():
    yield send(1, "hello")
    yield vcpu_run(1)

def receiver():
    yield configure()
    yield send(0, "")
    yield receive()

race = hfedu.Scenario("race", "A receive against a send and a run.", ready, (run_vm_1, send_and_run), (receiver,))
live_once = [i for i in hfedu.INVARIANTS if i.name == "live-once"]
found = hfedu.explore(race, live_once)
"""


@pytest.fixture
def cells(notebook, lab):
    """Opens and runs a notebook with the scenario and the cells given."""

    def run(name, *sources, **size):
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        code = [nbformat.v4.new_code_cell(source) for source in (SCENARIO, *sources)]
        nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), lab[1] / name)
        book = notebook(name, **size)
        book.run_all()
        return book

    return run


def test_a_counterexample_in_the_player_has_a_column_for_each_cpu(cells):
    book = cells("counterexample.ipynb", "found", "found.counterexample()", "found.compare()", width=1560)
    page = book.page
    assert page.locator(".jp-RenderedHTML img:visible").count() == 1
    assert page.locator(".jp-RenderedHTMLCommon td", has_text="VM 1 vCPU 0 is live on CPU 0 and on CPU 1").count() == 1
    player = page.locator(".hfedu").first
    player.scroll_into_view_if_needed()
    assert player.locator(".tall .line.cpu").count() >= 2, "a column for each CPU"
    player.focus()
    page.keyboard.press("End")
    assert "end: live-once: VM 1 vCPU 0 is live on CPU 0 and on CPU 1" in raw(player)
    page.keyboard.press("ArrowLeft")
    assert "CPU 1 switches to VM 1 vCPU 0" in raw(player)
    live = player.locator("[data-path='vm1.vcpu0.state']")
    assert "on CPU 0 and on CPU 1" in live.inner_text()
    assert "CPU 1: VM 0 vCPU 1 calls HF_VCPU_RUN" in tab(player, "Events").inner_text()
    book.picture_of(player, "counterexample-light")
    pair = page.locator(".hfedu")
    assert pair.count() == 3
    assert page.locator("td", has_text="\u2717 breaks it").count() == 1
    pair.nth(1).scroll_into_view_if_needed()
    book.picture("comparison-light")
    book.dark()
    book.picture_of(player, "counterexample-dark")
    book.picture("comparison-dark")
    page.locator(".jp-RenderedHTML img:visible").first.scroll_into_view_if_needed()
    book.picture("exploration-dark")
    book.no_errors()


def test_you_schedule_by_keyboard_to_a_violation_and_ask_for_the_shortest_way(cells):
    schedule = "tuple(found.violations[0].schedule[found.setup:])"
    book = cells("you_schedule.ipynb", f"print(*{schedule})", "hfedu.you_schedule(race, live_once)", width=1400)
    page = book.page
    order = page.locator(".jp-OutputArea-output pre").first.inner_text().split()
    form = page.locator(".widget-vbox", has=page.locator('button:has-text("take a step back")')).first
    form.scroll_into_view_if_needed()
    said = form.locator(".told").first
    for number, cpu in enumerate(order, 1):
        form.get_by_role("button", name=f"CPU {cpu}: ").focus()
        page.keyboard.press("Enter")
        said.locator(f"text=Step {number}: CPU {cpu}").wait_for()
    assert "Broken: live-once. VM 1 vCPU 0 is live on CPU 0 and on CPU 1." in said.inner_text()
    form.locator(f"text=broken at step {len(order)}").wait_for()
    book.picture("you-schedule-light")
    form.locator('button:has-text("take a step back")').click()
    said.locator("text=One step back.").wait_for()
    assert "broken at step" not in form.inner_text()
    form.locator('button:has-text("show the shortest way")').click()
    form.locator(f"text=The shortest way breaks live-once at step {len(order)}").wait_for()
    form.locator(".hfedu").nth(1).wait_for()
    assert "CPU 1 switches to VM 1 vCPU 0" in raw(form.locator(".hfedu").first), "the answer stands above the run"
    book.dark()
    form.scroll_into_view_if_needed()
    book.picture("you-schedule-dark")
    form.locator('button:has-text("start again")').click()
    said.locator("text=From the start.").wait_for()
    book.no_errors()
