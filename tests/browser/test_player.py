"""The player in a real JupyterLab: keyboard, clicks, colours, and a long run."""

import nbformat
from axe_playwright_python.sync_playwright import Axe
from conftest import now, raw, tab
from playwright.sync_api import expect


def opened(notebook, name="00_tour.ipynb", **size):
    book = notebook(name, **size)
    book.run_all()
    # The first of that lesson is the tour, which plays.
    player = book.page.locator(".hfedu").nth(int(name == "00_tour.ipynb"))
    player.scroll_into_view_if_needed()
    return book, player


def test_tour_steps_by_keyboard_and_by_click(notebook):
    book, player = opened(notebook, width=1560)
    keys = book.page.keyboard
    assert now(player) == "4 VM 0 gets the CPU"
    player.focus()
    for _ in range(28):
        keys.press("ArrowRight")
    assert now(player) == "32 5 bytes “hello”"
    assert "5 bytes from VM 1 to VM 2's mailbox" in raw(player)
    assert player.locator("input[type=range]").input_value() == "32"
    book.picture("tour-light")
    book.picture_of(player, "player-light")
    keys.press("ArrowLeft")
    assert now(player) == "31 VM 1 sends 5 bytes to VM 2"
    assert "VM 1 vCPU 0 calls HF_MAILBOX_SEND(VM 2, 5 bytes)" in raw(player)
    keys.press("End")
    assert "powered the machine off" in now(player)
    keys.press("Home")
    assert now(player).startswith("0")
    keys.press("PageDown")
    assert now(player).startswith("10")
    player.locator('button[aria-label^="one event on"]').click()
    assert now(player).startswith("11")
    player.locator("svg .hit[data-seq='13']").click()
    assert now(player).startswith("13")
    player.locator("input[type=number]").fill("23")
    keys.press("Enter")
    assert "wakes up" in now(player)
    player.locator("input[type=range]").focus()
    keys.press("ArrowRight")
    assert now(player).startswith("24")
    book.no_errors()


def test_every_view_shows_the_present_event(notebook):
    book, player = opened(notebook, width=1560)
    number = player.locator("input[type=number]")

    def go(event):
        number.fill(str(event))
        book.page.keyboard.press("Enter")

    go(33)
    assert "VM 2 mailbox recv waiter" in tab(player, "Changed").inner_text()
    assert "from VM 1, 5 bytes “hello”" in tab(player, "State").inner_text()
    serial = tab(player, "Serial").inner_text()
    assert "I pass it on to VM 2" in serial
    assert "I got" not in serial
    memory = tab(player, "Memory")
    assert "0x40f80000" in memory.inner_text()
    address = player.get_by_label("address of VM 1 to walk")
    walk = memory.locator("pre").nth(1)
    address.fill("0x40f85008")
    book.page.keyboard.press("Enter")
    assert "page at 0x40f85000, RWX" in walk.inner_text()
    address.fill("0x40080000")
    book.page.keyboard.press("Enter")
    assert "not valid: the access faults" in walk.inner_text()
    book.picture("player-stage2")
    go(31)
    assert "all registers of VM 1 vCPU 0" in tab(player, "Registers").inner_text()
    events = tab(player, "Events")
    assert events.locator('[aria-current="true"]').inner_text().split()[0] == "31"
    events.locator("button", has_text="VM 2 vCPU 0 wakes up").first.click()
    assert now(player).startswith("33 ")
    book.dark()
    assert player.get_attribute("data-theme") == "dark"
    assert events.locator('[aria-current="true"]').inner_text().split()[0] == "33", "the list stays"
    go(32)
    book.picture_of(player, "player-dark")
    book.picture("tour-dark")
    book.no_errors()


def test_the_tour_says_what_one_sees(notebook):
    book, player = opened(notebook, width=1560)
    keys = book.page.keyboard
    states = player.locator(".states")

    def next_change(thing):
        player.get_by_role("button", name=f"next change of {thing}", exact=True).last.click()
        return now(player)

    player.locator("svg .hit[data-seq='13']").click()
    assert "VM 1 vCPU 0 calls HF_MAILBOX_RECEIVE(block)" in raw(player)
    assert "CPU 0 runs VM 1 vCPU 0" in states.inner_text()
    keys.press("ArrowRight")
    assert "CPU 0 runs VM 0 vCPU 0" in states.locator(".changed").last.inner_text()
    waiting = states.locator("[data-path='vm1.vcpu0.state']").inner_text()
    assert "waits for a message" in waiting
    assert "a send to VM 1 wakes it" in waiting
    player.get_by_role("button", name="Why? VM 1 vCPU 0 does not run").click()
    why = player.locator(".why")
    why.locator("li", has_text="CPU 0 is held by VM 0 vCPU 0").wait_for()
    assert why.get_by_role("button", name="event 13").is_visible()
    book.picture_of(player, "tour-why")
    keys.press("Escape")
    assert why.is_hidden()
    assert next_change("VM 1 vCPU 0").startswith("23")
    keys.press("b")
    assert now(player).startswith("22 ")
    keys.press("b")
    assert "VM 0 vCPU 0 calls HF_MAILBOX_SEND(VM 1, 5 bytes)" in raw(player)
    next_change("VM 1 mailbox")
    assert "now READ" in raw(player)
    mailbox = states.locator("[data-path='vm1.mailbox.state']")
    assert "EMPTY READ" in mailbox.inner_text()
    assert next_change("VM 1 mailbox").startswith("29 ")
    assert "READ EMPTY" in mailbox.inner_text()
    keys.press("[")
    assert now(player).startswith("22")
    keys.press("/")
    keys.type("wakes")
    keys.press("Enter")
    assert now(player).startswith("23")
    assert "1 of 2" in player.locator(".find").inner_text()
    keys.press("Enter")
    assert now(player).startswith("33")
    keys.press("Escape")
    player.locator("svg .hit[data-seq='21']").click()
    keys.press("d")
    detail = player.locator(".detail")
    detail.get_by_text("open its instructions").wait_for()
    for _ in range(4):
        keys.press("ArrowRight")
    detail.get_by_text("copies the message into VM 1's mailbox").wait_for()
    detail.locator(".lit", has_text="yield mailbox.deliver").wait_for()
    book.picture_of(player, "tour-steps")
    assert player.locator(".picture").is_visible()
    keys.press("Escape")
    assert now(player).startswith("21")
    book.no_errors()


def test_letters_are_keys_of_the_player_and_not_of_jupyterlab(notebook):
    book, player = opened(notebook, width=1560)
    cells = book.page.locator(".jp-Cell").count()
    keys = book.page.keyboard
    player.focus()
    keys.press("/")
    keys.type("wakes")
    keys.press("Enter")
    assert now(player).startswith("23")
    keys.press("Escape")
    for key in ("f", "b", "n", "p", "]", "[", "?", "End"):
        keys.press(key)
    assert "powered the machine off" in now(player)
    assert player.locator(".help").is_visible()
    assert book.page.locator(".jp-Cell").count() == cells
    book.no_errors()


def test_play_pauses_and_stops_at_the_end(notebook):
    book, player = opened(notebook)
    player.focus()
    book.page.keyboard.press("End")
    book.page.keyboard.press("ArrowLeft")
    play = player.locator('button[aria-label^="play"]')
    assert play.get_attribute("aria-pressed") != "true"
    play.click()
    assert play.get_attribute("aria-pressed") == "true"
    expect(player.locator(".now")).to_contain_text("powered the machine off", timeout=20_000)
    player.locator('button[aria-label^="play"][aria-pressed=false]').wait_for()
    book.no_errors()


TWO_CPUS = """
import hfedu
from hfedu import RamDisk, configure, cpu_on, meet, receive, send, vcpu_run

def starter():
    yield configure()
    yield vcpu_run(1)
    yield cpu_on(1)
    yield meet()
    yield send(1, "from CPU 0")

def sender():
    yield meet()
    yield send(1, "from CPU 1")

def waits():
    yield configure()
    yield receive()

def run(schedule):
    return hfedu.Machine(RamDisk([starter, sender], [waits]), cpus=2, schedule=schedule, title=f"{schedule}").run()

run("every 1")
"""


def no_barrier(page):
    results = Axe().run(page, context=".hfedu, .hfedu-pair")
    assert not results.response["violations"], results.generate_report()
    assert len(results.response["passes"]) > 15


def test_the_kernel_answers_for_every_depth_and_why_and_nothing_bars_the_way_in_light_and_dark(notebook, lab):
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    sources = (TWO_CPUS, 'run("every 1").compare(run("every 3"))')
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), lab[1] / "depths.ipynb")
    book, player = opened(notebook, "depths.ipynb", width=1560)
    page = book.page
    where, detail = player.locator(".depth [role=status]"), player.locator(".detail")
    player.get_by_label("search events for text").focus()
    player.get_by_label("result", exact=True).select_option("bad")
    player.focus()
    page.keyboard.press("n")
    assert "send returns -1" in raw(player)
    page.keyboard.press("w")
    player.locator(".why li", has_text="mailbox is READ because").wait_for()
    player.get_by_role("button", name="Why? VM 1 vCPU 0 does not run").click()
    player.locator(".why li", has_text="It runs when the primary calls HF_VCPU_RUN(VM 1, vCPU 0).").wait_for()
    player.focus()
    page.keyboard.press("d")
    where.get_by_text("its guest").wait_for()
    page.keyboard.press("ArrowRight")
    detail.locator(".lit", has_text="sl_lock(cpu, sender.lock)").wait_for()
    assert "Locks held then: CPU" in detail.inner_text()
    no_barrier(page)
    book.picture_of(player, "depth-steps-light")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    where.get_by_text("line 1 of 2").wait_for()
    page.keyboard.press("End")
    assert "yield send(1, " in detail.locator(".lit").inner_text()
    book.dark()
    no_barrier(page)
    book.picture_of(player, "depth-lines-dark")
    pair = page.locator(".hfedu-pair")
    pair.scroll_into_view_if_needed()
    assert "Event" in pair.locator(".common b").inner_text()
    second = pair.locator(".hfedu").nth(1)
    second.focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    assert [now(each).split()[0] for each in pair.locator(".hfedu").all()] == ["10", "10"]
    page.keyboard.press("d")
    second.locator(".depth [role=status]", has_text="event 10 ›").wait_for()
    book.picture_of(pair, "compared-dark")
    book.no_errors()


LONG = """
import hfedu
from hfedu import RamDisk, clear, configure, receive, send, vcpu_run

def primary():
    yield configure()
    yield vcpu_run(1)
    while True:
        yield send(1, "ping")
        yield vcpu_run(1)
        yield clear()

def echo():
    yield configure()
    while True:
        message = yield receive()
        yield clear()
        yield send(message.sender, message.data)

hfedu.boot(RamDisk(primary, [echo]), max_traps=65_000, max_seconds=None, title="A long run")
"""


def test_a_long_run_goes_to_the_browser_whole_and_is_windowed(notebook, lab):
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook_file = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LONG)], metadata=kernel)
    nbformat.write(notebook_file, lab[1] / "long.ipynb")
    book, player = opened(notebook, "long.ipynb")
    player.focus()
    book.page.keyboard.press("End")
    assert int(now(player).split()[0]) > 100_000
    player.locator("input[type=number]").fill("50000")
    book.page.keyboard.press("Enter")
    assert now(player).startswith("50000")
    assert tab(player, "Events").locator('[aria-current="true"]').inner_text().startswith("50000")
    assert player.locator("*").count() < 2000
    book.picture("player-long")
    book.no_errors()
