"""What has controls: how it shows itself, its buttons, and the keys of its controls."""

import html
from collections.abc import Callable
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

    def _ipython_display_(self) -> None:
        show_with_picture(lambda: self, *self.picture())


def push_button(text: str, action: Callable[[], Any], width: str = "auto", style: str = "") -> ipywidgets.Button:
    """A button that does something."""
    button = ipywidgets.Button(description=text, button_style=style, layout={"width": width, "min_height": "28px"})
    button.on_click(lambda _: action())
    return button


class Keys(anywidget.AnyWidget):
    """Invisible. While a control beside it has the focus, no key is a shortcut of JupyterLab."""

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


def says(sentence: str, bold: bool = False) -> str:
    """A sentence that screen readers announce."""
    weight = "font-weight:bold;border-left:4px solid;padding-left:8px" if bold else ""
    return f'<div role="status" style="{weight}">{html.escape(sentence)}</div>'
