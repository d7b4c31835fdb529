"""What recordings and what is shown of them take: memory, and how much is looked at. Never how long anything takes."""

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from runs import pingpong, refusals, relay

import hfedu
from hfedu.widgets.player import Player

ROOT = Path(hfedu.__file__).parent.parent


def show(shown: object) -> None:
    """Show something as the last line of a cell does."""
    InteractiveShell.instance()
    try:
        with capture_output():
            shown._ipython_display_()
    finally:
        InteractiveShell.clear_instance()


def grows(action, times: int = 1) -> int:
    """Bytes that are still held after something was done so many times, and what it returned was let go."""
    gc.collect()
    tracemalloc.start()
    for _ in range(times):
        action()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


def displays(run: hfedu.notebook.Run) -> tuple:
    """Every way to put a run on a page."""
    compared = run.compare(relay())
    return lambda: show(run), lambda: Player(run, 7), lambda: show(compared)


@pytest.mark.parametrize("way", range(3))
def test_showing_a_run_again_and_again_keeps_no_copy_of_what_the_page_gets(way):
    """Nobody frees a widget: the registry holds each for as long as the kernel lives."""
    few, many = displays(pingpong(12))[way], displays(pingpong(300))[way]
    few(), many()
    assert grows(many, 3) < grows(few, 3) + 3 * 30_000, "displays of a long run hold more than those of a short one"


def test_the_page_gets_the_whole_run_whenever_it_asks():
    player, seen = Player(relay()), []
    assert len(player.get_state()["data"]["columns"]["fact"]) == len(relay().events)
    player.send_state = lambda keys: seen.append(player.get_state(keys)["data"])
    player.show(refusals())
    assert len(seen[-1]["columns"]["fact"]) == len(refusals().events) == player.position + 1


def test_a_run_is_shown_without_the_library_that_paints():
    code = """if True:
        import sys, hfedu
        run = hfedu.boot(hfedu.RamDisk(b"\\0\\0\\0\\x14"), max_instructions=9)
        assert isinstance(run, hfedu.notebook.Run)
        from IPython.core.interactiveshell import InteractiveShell
        InteractiveShell.instance()
        run._ipython_display_()
        run.render("svg")
        assert not {"matplotlib", "numpy"} & set(sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
