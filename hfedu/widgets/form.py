"""What has controls: how it shows itself, its buttons, and the keys of its controls."""

import html
from collections.abc import Callable, Iterable
from typing import Any

from hfedu.errors import needing, plainly
from hfedu.widgets.still import show_with_picture

with needing("anywidget"):
    import anywidget
    import ipywidgets


@plainly
class Form(ipywidgets.VBox):
    """Controls, mostly around a player. A notebook that is opened without a kernel shows its `picture` instead."""

    def picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What stands for it without a kernel, by MIME type, and the metadata: without anything better its words."""
        return {"text/plain": repr(self)}, {}

    def _display_(self) -> Any:
        """What marimo shows, which asks for this and knows no controls but those of a player: that, or the words."""
        return getattr(self, "player", None) or repr(self)

    def _ipython_display_(self) -> None:
        show_with_picture(lambda: self, *self.picture())


def push_button(text: str, action: Callable[[], Any], width: str = "auto", style: str = "") -> ipywidgets.Button:
    """A button that does something."""
    button = ipywidgets.Button(description=text, button_style=style, layout={"width": width, "min_height": "28px"})
    button.on_click(lambda _: action())
    return button


IN_A_ROW = 28
"""Choices that are no longer than this, in characters, stand side by side."""


class Keys(anywidget.AnyWidget):
    """Invisible. While a control beside it has the focus, no key is a shortcut of JupyterLab.

    It also brings how the controls look: choices side by side where they are `IN_A_ROW`, and large enough for a finger.
    """

    _css = """
    .hfedu-in-a-row .widget-radio-box { flex-flow: row wrap; gap: 0 24px; margin-bottom: 0; }
    .hfedu-lives .widget-radio-box label { height: auto; min-height: 24px; padding: 2px 0; }
    @media (pointer: coarse) {
      .hfedu-lives button.jupyter-button { min-height: 44px !important; min-width: 44px; }
      .hfedu-lives .widget-radio-box label { min-height: 44px; padding: 12px 0; box-sizing: border-box; }
    }
    """
    _esm = """
    function render({ el }) {
      const keep = (event) => (event.target.dataset.lmSuppressShortcuts = "true");
      const watch = () => {
        if (el.parentElement) el.parentElement.addEventListener("focusin", keep);
        else requestAnimationFrame(watch);
      };
      el.style.display = "none";
      watch();
    }
    export default { render };
    """


def keys_row(*controls: ipywidgets.Widget) -> ipywidgets.HBox:
    """Controls in a row that breaks where there is no room, and that keep their keys."""
    return ipywidgets.HBox([*controls, Keys()], layout={"flex_flow": "row wrap"})


def radio_buttons(options: Iterable[str]) -> ipywidgets.RadioButtons:
    """Choices of which none is chosen yet: side by side if all of them are short."""
    texts = tuple(options)
    buttons = ipywidgets.RadioButtons(options=texts, value=None, layout={"width": "auto"})
    if max(map(len, texts)) <= IN_A_ROW:
        buttons.add_class("hfedu-in-a-row")
    return buttons


def says(sentence: str, bold: bool = False) -> str:
    """A sentence that screen readers announce."""
    weight = "font-weight:bold;border-left:4px solid;padding-left:8px" if bold else ""
    return f'<div role="status" style="{weight}">{html.escape(sentence)}</div>'
