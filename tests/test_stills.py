"""What a saved notebook keeps of each widget: an output that needs no kernel, before the widget's own."""

import re
import sys
from dataclasses import replace

import IPython.display
import pytest
from runs import relay
from test_explorer import RACE

import hfedu
from hfedu.view.scene import Scene
from hfedu.widgets.form import Form
from hfedu.widgets.still import AFTER

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MADE = {
    "Tour": (hfedu.tour, "image/svg+xml"),
    "Playground": (hfedu.playground, "image/svg+xml"),
    "YouAreTheHypervisor": (hfedu.you_are_the_hypervisor, "image/svg+xml"),
    "YouSchedule": (lambda: hfedu.you_schedule(RACE), "image/svg+xml"),
    "Wish": (hfedu.wish, "image/svg+xml"),
    "Arrange": (lambda: hfedu.arrange("07-order"), "text/plain"),
    "Predict": (lambda: hfedu.predict("00-who-runs"), "text/plain"),
}


def shown(monkeypatch, widget):
    """The outputs that a widget leaves when it is the last line of a cell."""
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **_: outputs.append(data))
    widget._ipython_display_()
    return outputs


def kinds(kind):
    """The names of all that derive from a class."""
    return {name for each in kind.__subclasses__() for name in (each.__name__, *kinds(each))}


def test_each_form_is_looked_at():
    made = {type(make()).__name__ for make, _ in MADE.values()}
    assert kinds(Form) == made == set(MADE)


def test_marimo_knows_no_controls_of_jupyter_and_gets_players_or_words():
    for form in (hfedu.playground(), hfedu.you_are_the_hypervisor()):
        assert form._display_() is form.player
    predict = hfedu.predict("00-who-runs")
    assert predict._display_() == repr(predict)


def test_marimo_gets_the_player_of_a_run_and_its_picture_where_there_is_nothing_to_play():
    run = relay()
    assert run._display_().recording is run
    assert isinstance(replace(run, events=())._display_(), Scene)


@pytest.mark.parametrize("name", MADE)
def test_a_form_leaves_what_needs_no_kernel_before_itself(name, monkeypatch):
    make, best = MADE[name]
    form = make()
    still, living, after = shown(monkeypatch, form)
    assert best in still
    assert WIDGET_VIEW not in still
    assert best == "text/plain" or re.match(r'<img alt="\w[^"]*" src="data:', still["text/html"])
    assert still["text/plain"] == repr(form)
    assert WIDGET_VIEW in living
    assert not living["text/plain"], "its words are said once"
    assert after["text/html"] == AFTER
    assert "hfedu-lives" in form._dom_classes


@pytest.mark.parametrize("package", ["anywidget", "ipywidgets"])
def test_without_one_package_of_the_widgets_a_run_is_its_picture(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    run = hfedu.boot(hfedu.RamDisk(hfedu.asset("echo.bin")), max_traps=3)
    outputs = shown(monkeypatch, run)
    assert [min(output) for output in outputs] == ["image/svg+xml", "text/html"]
    assert not [output for output in outputs if WIDGET_VIEW in output]
    assert isinstance(run._display_(), Scene)
