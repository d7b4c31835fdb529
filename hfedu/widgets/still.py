"""What stays in a saved notebook where a widget was: a picture, as an output of its own before the widget's.

A front end that knows widgets shows one that has no kernel as "model not found", whatever else its output holds. So
the picture stands in an output before it, which the living player hides (assets/player.css), and an output after it
hides what is said of a model that is gone.
"""

from collections.abc import Callable
from typing import Any

from hfedu.errors import installed

AFTER = """<style>
.jp-OutputArea-child:has(+ .jp-OutputArea-child .hfedu-after):not(:has(.hfedu, .hfedu-pair)) { display: none; }
.hfedu-after { display: none; }
.jp-OutputArea-child:not(:has(.hfedu, .hfedu-pair)) + .jp-OutputArea-child .hfedu-after { display: block; }
</style><p class="hfedu-after">Run the cell to step through it.</p>"""
"""The output after a widget: without one that lives it says how to get it, and hides that there is none."""


def show_with_picture(make: Callable[[], Any], data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    """Show a player or a pair; its picture (`data` by MIME type) is what a notebook without a kernel shows.

    Where there are no widgets the picture is all.
    """
    from IPython.display import display

    display(data, metadata=metadata or {}, raw=True)
    if not installed("anywidget"):
        return
    widget = make()
    widget.still = True
    bundle = widget._repr_mimebundle_() or {}
    living = bundle[0] if isinstance(bundle, tuple) else bundle
    display({**living, "text/plain": ""}, raw=True)
    display({"text/html": AFTER, "text/plain": ""}, raw=True)
