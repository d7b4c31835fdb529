"""A notebook as a page or as slides, for pages without a kernel: pictures with words for those who do not see them.

nbconvert alone keeps the words of hfedu's pictures, but shows a widget where there is one, and gives other pictures no
words. Here what it gets has no widget, and each picture is an `<img>` with its `alt`. Nothing is fetched from another
host.
"""

import html
import os
from pathlib import Path
from typing import Any

from hfedu.course.notebooks import read_notebook
from hfedu.course.record import SWITCH
from hfedu.errors import Mistake, installed, lacking
from hfedu.files import write_whole
from hfedu.view.svg import data_address

WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/svg+xml", "image/png")
FORMS = ("html", "slides")
SECONDS_A_CELL = 120


def slide_type(cell: Any) -> str:
    """A heading begins a slide, code one below it, and whatever else goes on."""
    if cell["cell_type"] == "code":
        return "subslide"
    return "slide" if "".join(cell["source"]).startswith("#") else "-"


def tag_slides(book: Any) -> None:
    """Say of each cell of a notebook where it stands in slides, unless it is said already."""
    for cell in book["cells"]:
        cell["metadata"].setdefault("slideshow", {"slide_type": slide_type(cell)})


def with_words(data: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """An output's data without its widget, its picture as an `<img>` with the words that it has."""
    data = {kind: content for kind, content in data.items() if kind != WIDGET}
    kind = next((kind for kind in PICTURES if kind in data), None)
    if kind is None:
        return data
    picture = "".join(data.pop(kind))
    address = f"data:image/png;base64,{picture}" if kind == "image/png" else data_address(picture)
    words = metadata.get(kind, {}).get("alt") or "".join(data.get("text/plain", ""))
    shown = f'<img alt="{html.escape(words)}" src="{address}">'
    return {**data, "text/html": shown}


def export(path: Path, form: str = "html", execute: bool = False) -> Path:
    """Write a notebook beside itself as NAME.html or NAME.slides.html. `Mistake` if that is impossible."""
    if not installed("jupyterlab"):  # it brings what is imported here
        raise lacking("jupyterlab")
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbconvert.exporters import HTMLExporter, SlidesExporter

    book = read_notebook(path)
    if execute:
        resources = {"metadata": {"path": str(path.resolve().parent)}}
        client = NotebookClient(book, timeout=SECONDS_A_CELL, store_widget_state=False, resources=resources)
        try:
            client.execute(env=os.environ | {SWITCH: ""})
        except CellExecutionError as error:
            raise Mistake(f"a cell of {path.name} fails: {str(error).strip().splitlines()[-1]}") from None
    tag_slides(book)
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if "data" in output:
                output["data"] = with_words(output["data"], output.get("metadata", {}))
    book.metadata.pop("widgets", None)
    exporter = (SlidesExporter if form == "slides" else HTMLExporter)(
        mathjax_url="", require_js_url="", jquery_url="", embed_images=True
    )
    text, _ = exporter.from_notebook_node(book)
    target = path.with_suffix(".slides.html" if form == "slides" else ".html")
    try:
        write_whole(target, text.encode())
    except OSError as error:
        raise Mistake(f"cannot write {target}: {error.strerror}") from None
    return target
