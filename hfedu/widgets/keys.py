"""Keys for the controls of a form: JupyterLab takes arrows and letters that are meant for a list of choices."""

from hfedu.errors import needing

with needing("anywidget"):
    import anywidget
    import ipywidgets


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
