"""Build the site into build/site: every lesson as a page whose runs play, and the same lessons live in JupyterLite.

All of it is static. OFFLINE=1 takes Pyodide from npm and puts it into the site, so that it needs no other host; else
Pyodide comes from its CDN.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from kernel import FOLDER, PLUGIN, PYODIDE, kernel, package
from nbclient import NotebookClient
from terms import Linker, with_places

import hfedu
from hfedu.course.notebooks import lessons

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
WORK, OUT = ROOT / "build" / "site-work", ROOT / "build" / "site"
NOTEBOOKS = ROOT / "notebooks"
GLOSSARY = NOTEBOOKS / "glossary.md"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
BINDER = f"https://mybinder.org/v2/gh/{REPOSITORY.partition('github.com/')[2]}/HEAD?urlpath=lab/tree/notebooks/"
COMPILED = WORK / "compiled.jsonl"
FIRST = ("players.py", "compiled.py")
"""What a kernel that runs a lesson for the site runs before it."""
FOR_EVERYBODY = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="This page">',
    "<pre>": '<pre tabindex="0">',
    '<div id="search-results">': '<h1>Search</h1><div id="search-results">',
}
"""What Sphinx and its theme leave out for those who use a keyboard or listen."""
PAST_THE_SERVICE_WORKER = """
addEventListener("install", (event) => event.addRoutes?.([
  { condition: { urlPattern: new URLPattern({ pathname: "*/api/*" }) }, source: "fetch-event" },
  { condition: { requestMethod: "GET" }, source: "network" },
]));
"""
"""Files of the site need no detour through JupyterLite's service worker, which hands on a kernel's reads and writes."""


def call(*command: object, **options: object) -> None:
    """Run a command; what goes wrong ends the build."""
    subprocess.run(list(map(str, command)), check=True, **options)


def live(path: Path, to: Path) -> None:
    """A lesson for JupyterLite: without outputs, and for its kernel."""
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    book.metadata["kernelspec"] = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
    nbformat.write(book, to / path.name)


def build_lite() -> None:
    """JupyterLite with hfedu and the lessons, in lite/."""
    work, lite = WORK / "lite", OUT / "lite"
    shutil.rmtree(work, ignore_errors=True)
    files = work / "files"
    files.mkdir(parents=True)
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", work, cwd=ROOT, stderr=subprocess.DEVNULL)
    wheel = next(work.glob("*.whl"))
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        rows = map(json.loads, COMPILED.read_text("utf-8").splitlines())
        archive.writestr("hfedu/assets/compiled.json", json.dumps(dict(rows)))
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        live(path, files)
    for path in NOTEBOOKS.glob("*.md"):
        shutil.copy(path, files)
    offline = bool(os.environ.get("OFFLINE"))
    settings = kernel(work / "kernel", WORK / f"pyodide-{PYODIDE}", wheel, offline)
    if offline:
        shutil.copytree(package(WORK / f"pyodide-{PYODIDE}"), work / "static" / "pyodide")
    config = {"appName": "hfedu", "disabledExtensions": [], "litePluginSettings": {PLUGIN: settings}}
    (work / "jupyter-lite.json").write_text(
        json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": config}), "utf-8"
    )
    command = [sys.executable, "-m", "jupyterlite_core", "build", "--contents", "files", "--output-dir", lite]
    call(*command, cwd=work, stdout=subprocess.DEVNULL)
    shutil.copytree(work / "kernel", lite / FOLDER, dirs_exist_ok=True)
    with (lite / "service-worker.js").open("a", encoding="utf-8") as file:
        file.write(PAST_THE_SERVICE_WORKER)


def run_lessons() -> Path:
    """The folder of what Sphinx reads: the pages, and the lessons, run, with players. What they compile is noted."""
    source = WORK / "pages"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(NOTEBOOKS, source / "notebooks", ignore=shutil.ignore_patterns("*.ipynb", ".*", "*.txt"))
    (source / "notebooks" / GLOSSARY.name).write_text(with_places(GLOSSARY.read_text("utf-8")), "utf-8")
    for name in ("index.md", "style.css", "conf.py"):
        shutil.copy(HERE / name, source)
    COMPILED.write_text("")
    environment = os.environ | {"HFEDU_PROGRESS": "", "HFEDU_SITE_COMPILED": str(COMPILED), "PYTHONPATH": str(ROOT)}
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    with ThreadPoolExecutor(2) as pool:
        answers = pool.submit(call, sys.executable, HERE / "compiled.py", env=environment)
        list(pool.map(lambda path: played(path, source), paths))
        answers.result()
    return source


def build_pages(source: Path) -> None:
    """The pages to read: lessons whose runs play, the other pages, and the reference from the docstrings."""
    (source / "reference.md").write_text(reference(), "utf-8")
    listed = "\n".join(f"{lesson.title} <notebooks/{lesson.path.stem}>" for lesson in lessons())
    index = source / "index.md"
    index.write_text(index.read_text("utf-8").replace("LESSONS", listed), "utf-8")
    call(sys.executable, "-m", "sphinx", "-q", "-j", "2", "-b", "html", source, OUT, stderr=subprocess.DEVNULL)
    for path in [*OUT.glob("*.html"), *OUT.glob("notebooks/**/*.html")]:
        text = path.read_text("utf-8")
        for lacking, better in FOR_EVERYBODY.items():
            text = text.replace(lacking, better)
        path.write_text(text, "utf-8")
    shutil.copytree(WORK / "pages" / "runs", OUT / "runs", dirs_exist_ok=True)


def played(path: Path, source: Path) -> None:
    """Run a lesson with players in frames, and put the buttons under its title."""
    book = nbformat.read(path, as_version=4)
    first = "".join((HERE / name).read_text("utf-8").partition("if __name__")[0] for name in FIRST)
    book.cells.insert(0, nbformat.v4.new_code_cell(first))
    environment = os.environ | {
        "HFEDU_PROGRESS": "",
        "HFEDU_SITE_COMPILED": str(COMPILED),
        "HFEDU_SITE_RUNS": str(source / "runs" / path.stem),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    client = NotebookClient(book, timeout=120, store_widget_state=False, resources={"metadata": {"path": NOTEBOOKS}})
    client.execute(env=environment, stderr=subprocess.DEVNULL)
    del book.cells[0]
    linker = Linker(GLOSSARY.read_text("utf-8"))
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = linker.linked(cell.source)
        outputs = cell.get("outputs", ())
        for output in outputs:
            data = output.get("data", {})
            if data.pop("application/vnd.jupyter.widget-view+json", None) is not None:
                data.pop("text/html", None)
        if outputs:  # a form leaves its words, and an empty output where it would live
            cell.outputs = [output for output in outputs if output.get("data") != {"text/plain": ""}]
    buttons = (
        f'<p class="live"><a href="../lite/lab/index.html?path={path.name}">Open this lesson live</a>'
        f' <a href="{BINDER}{path.name}">On Binder</a></p>'
    )
    book.cells.insert(1, nbformat.v4.new_markdown_cell(buttons))
    nbformat.write(book, source / "notebooks" / path.name)


def reference() -> str:
    """The page of all public names, which Sphinx fills from the docstrings."""
    kinds = {name: "autoclass" if isinstance(getattr(hfedu, name), type) else "autofunction" for name in hfedu.__all__}
    kinds |= {"INVARIANTS": "py:data"}
    members = {"Run", "Machine", "RamDisk"}
    lines = ["# Reference", "", "All that `import hfedu` gives, from the docstrings.", ""]
    for name, kind in kinds.items():
        options = "\n   :members:\n   :inherited-members:" if name in members else ""
        if kind == "py:data":
            options = "\n\n   What ``explore`` holds a hypervisor to, in the order in which it is reported.\n\n"
            options += "\n".join(f"   - ``{rule.name}``: {rule.meaning}" for rule in getattr(hfedu, name))
        lines += [f"## {name}", "", f"```{{eval-rst}}\n.. {kind}:: hfedu.{name}{options}\n```", ""]
    return "\n".join(lines)


def main() -> None:
    """Build all: first the lessons run, then JupyterLite and the pages are made side by side."""
    OUT.mkdir(parents=True, exist_ok=True)
    source = run_lessons()
    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(build_lite), pool.submit(build_pages, source)):
            done.result()
    print(f"The site is in {OUT.relative_to(ROOT)}: python -m http.server -d {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
