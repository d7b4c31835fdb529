"""The player in a real JupyterLab: keyboard, clicks, colours, and work bounded by what is visible."""

import nbformat


def opened(notebook, name="00_tour.ipynb", **size):
    book = notebook(name, **size)
    book.run_all()
    player = book.page.locator(".hfedu").first
    player.scroll_into_view_if_needed()
    return book, player


def now(player):
    return player.locator(".now").inner_text()


def test_tour_steps_by_keyboard_and_by_click(notebook):
    book, player = opened(notebook, width=1560)
    keys = book.page.keyboard
    assert now(player).startswith("0")
    player.focus()
    for _ in range(25):
        keys.press("ArrowRight")
    assert now(player).startswith("25")
    assert "5 bytes from VM 1 to VM 2's mailbox" in now(player)
    assert player.locator("input[type=range]").input_value() == "25"
    book.picture("tour-light")
    book.picture_of(player, "player-light")
    keys.press("ArrowLeft")
    assert "VM 1 vCPU 0 calls HF_MAILBOX_SEND(VM 2, 5 bytes)" in now(player)
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
    player.locator("input[type=number]").fill("19")
    keys.press("Enter")
    assert "wakes up" in now(player)
    player.locator("input[type=range]").focus()
    keys.press("ArrowRight")
    assert now(player).startswith("20")
    book.no_errors()


def test_every_tab_shows_the_present_event(notebook):
    book, player = opened(notebook, width=1560)
    player.focus()
    panel = player.locator(".panel")

    def tab(name):
        player.locator(f'.tabs button:text-is("{name}")').click()
        return panel.inner_text()

    player.locator("input[type=number]").fill("26")
    book.page.keyboard.press("Enter")
    assert "VM 2 mailbox recv waiter" in tab("Changes")
    assert "VM 1, 5 bytes" in panel.inner_text()
    states = tab("States")
    assert "from VM 1, 5 bytes “hello”" in states
    assert panel.locator("span[data-on=true]").count() == 6
    book.picture("player-states")
    assert "0x40f80000" in tab("Stage 2")
    walk = panel.locator("details", has_text="walk an address of VM 1")
    walk.locator("summary").click()
    walk.locator("input").fill("0x40f85008")
    book.page.keyboard.press("Enter")
    assert "page at 0x40f85000, RWX" in walk.locator("pre").inner_text()
    walk.locator("input").fill("0x40080000")
    book.page.keyboard.press("Enter")
    assert "not valid: the access faults" in walk.locator("pre").inner_text()
    book.picture("player-stage2")
    assert "I pass it on to VM 2" in tab("Serial line")
    assert "I got" not in panel.inner_text()
    player.locator("input[type=number]").fill("24")
    book.page.keyboard.press("Enter")
    assert "VM 1 vCPU 0: changed" in tab("Registers")
    book.picture("player-registers")
    tab("Events")
    assert panel.locator('[aria-current="true"]').inner_text().startswith("24")
    panel.locator("button", has_text="wakes up").first.click()
    assert now(player).startswith("19")
    book.picture("player-events")
    book.dark()
    book.picture_of(player, "player-dark")
    assert panel.locator('[aria-current="true"]').inner_text().startswith("19")
    book.picture("tour-dark")
    book.no_errors()


def test_play_pauses_and_stops_at_the_end(notebook):
    book, player = opened(notebook)
    player.focus()
    book.page.keyboard.press("End")
    book.page.keyboard.press("ArrowLeft")
    play = player.locator('button[aria-label^="play"]')
    assert play.inner_text() == "▶ play"
    play.click()
    book.page.wait_for_function("document.querySelector('.hfedu .now').innerText.includes('powered the machine off')")
    book.page.wait_for_function("document.querySelector('.hfedu button[aria-label^=play]').innerText === '▶ play'")
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

hfedu.boot(RamDisk(primary, [echo]), max_traps=3000, title="5,000 events")
"""


def test_work_per_step_depends_on_what_is_visible_not_on_the_length(notebook, lab):
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook_file = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LONG)], metadata=kernel)
    nbformat.write(notebook_file, lab[1] / "long.ipynb")
    _, short = opened(notebook)
    book, player = opened(notebook, "long.ipynb")
    few = int(short.get_attribute("data-nodes"))
    player.focus()
    for key in ("Home", "PageDown", "End", "ArrowLeft", "ArrowUp"):
        book.page.keyboard.press(key)
        assert 20 < int(player.get_attribute("data-nodes")) < 3 * few
    player.locator("input[type=number]").fill("2500")
    book.page.keyboard.press("Enter")
    assert now(player).startswith("2500")
    assert int(player.get_attribute("data-nodes")) < 3 * few
    player.locator('.tabs button:text-is("Events")').click()
    assert player.locator(".list button").count() < 60
    assert player.locator('.list [aria-current="true"]').inner_text().startswith("2500")
    book.picture("player-long")
    book.no_errors()
