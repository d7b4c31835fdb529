"""What stays in a saved notebook where a widget was: a picture, as an output of its own before the widget's.

A front end that knows widgets shows one that has no kernel as "model not found", whatever else its output holds. So
the picture stands in an output before it, and an output after it hides one of the two: the picture where the widget
lives, else what is said of a model that is gone.
"""

from collections.abc import Callable
from typing import Any

from hfedu.errors import widgets_installed

AFTER = """<style>
.jp-OutputArea-child:has(+ .jp-OutputArea-child .hfedu-lives) { display: none; }
.jp-OutputArea-child:has(+ .jp-OutputArea-child .hfedu-after):not(:has(.hfedu-lives)) { display: none; }
.hfedu-after { display: none; }
.jp-OutputArea-child:not(:has(.hfedu-lives)) + .jp-OutputArea-child .hfedu-after { display: block; }
</style><p class="hfedu-after">Run the cell to use it.</p>"""
"""The output after a widget: beside one that lives it hides the picture; without one it says how to get it."""


def show_with_picture(make: Callable[[], Any], data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    """Show a widget; its picture (`data` by MIME type) is what a notebook without a kernel shows.

    Where there are no widgets the picture is all.
    """
    from IPython.display import display

    display(data, metadata=metadata or {}, raw=True)
    if not widgets_installed():
        return
    widget = make()
    widget.add_class("hfedu-lives")
    bundle = widget._repr_mimebundle_() or {}
    living = bundle[0] if isinstance(bundle, tuple) else bundle
    display({**living, "text/plain": ""}, raw=True)
    display({"text/html": AFTER, "text/plain": ""}, raw=True)
