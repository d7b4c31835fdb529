"""What a kernel in the browser loads when it starts: Python's library and wheels, compiled, and the list of them.

Pyodide comes from npm; of a wheel that it names it takes the version that it names.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PYODIDE = "314.0.7"
"""Of npm. Its CPython is the one below."""
PYTHON = "3.14"
CDN = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE}/full/"
KERNEL = (
    "micropip packaging ipython traitlets jedi parso decorator pygments matplotlib-inline asttokens stack-data"
    " pure-eval executing six wcwidth prompt-toolkit typing-extensions"
).split()
"""Wheels that JupyterLite's kernel needs, beside its own."""
WIDGETS = ("ipywidgets", "anywidget", "comm", "psygnal", "pyelftools")
"""Wheels that a lesson needs besides hfedu's own."""
OWN = ("piplite", "ipykernel", "pyodide_kernel")
"""Wheels that come with JupyterLite's kernel."""
EXTENSION = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "@jupyterlite" / "pyodide-kernel-extension"
PLUGIN = "@jupyterlite/pyodide-kernel-extension:kernel"
FOLDER = "static/kernel"
"""The folder of all this in JupyterLite."""
ANY = "--only-binary=:all: --platform any --implementation py --abi none --python-version".split()


def package(folder: Path) -> Path:
    """Pyodide as npm has it, unpacked."""
    place = folder / "package"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = subprocess.DEVNULL
        subprocess.run(["npm", "pack", f"pyodide@{PYODIDE}"], cwd=folder, check=True, stdout=quiet, stderr=quiet)
        shutil.unpack_archive(folder / f"pyodide-{PYODIDE}.tgz", folder, filter="data")
    return place


def wheels(package: Path, kept: Path) -> list[Path]:
    """All wheels but that of hfedu, as their makers made them."""
    known = json.loads((package / "pyodide-lock.json").read_text())["packages"]
    needs = [f"{name}=={known[name]['version']}" for name in KERNEL]
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "--no-deps", "--dest", kept, *ANY, PYTHON, *needs, *WIDGETS], check=True)
    for name in OWN:
        shutil.copy(next(EXTENSION.glob(f"static/pypi/{name}-*.whl")), kept)
    return sorted(kept.glob("*.whl"))


def kernel(to: Path, folder: Path, hfedu: Path, offline: bool) -> dict[str, object]:
    """Put what a kernel loads into a folder, with the wheel of hfedu. JupyterLite's settings for it.

    `offline`: Pyodide and all packages there are come from the site, else from Pyodide's CDN what is not in `to`.
    """
    how = b"".join((HERE / name).read_bytes() for name in ("compile.mjs", "sitecustomize.py"))
    pyodide, kept = package(folder), folder / f"compiled-{hashlib.sha256(how).hexdigest()[:12]}"
    for each in (kept, to):
        each.mkdir(parents=True, exist_ok=True)
    command = ["node", HERE / "compile.mjs", pyodide]
    originals = [pyodide / "python_stdlib.zip", *wheels(pyodide, folder / "wheels")]
    if todo := [path for path in originals if not (kept / path.name).exists()]:
        subprocess.run([*command, kept, *todo], check=True)
    for old in to.iterdir():
        old.unlink()
    subprocess.run([*command, to, hfedu], check=True)
    for path in originals:
        shutil.copy(kept / path.name, to)
    here = {row["name"]: row for row in map(entry, sorted(to.glob("*.whl")))}
    lock = json.loads((pyodide / "pyodide-lock.json").read_text())
    others = {name: row | {"file_name": CDN + row["file_name"]} for name, row in lock["packages"].items()}
    (to / "pyodide-lock.json").write_text(json.dumps(lock | {"packages": here if offline else others | here}))
    lists = {"lockFileURL": f"./{FOLDER}/pyodide-lock.json", "stdLibURL": f"./{FOLDER}/python_stdlib.zip"}
    return {
        "loadPyodideOptions": lists | {"packages": list(here)},
        "pyodideUrl": "./static/pyodide/pyodide.mjs" if offline else CDN + "pyodide.mjs",
    }


def entry(wheel: Path) -> dict[str, object]:
    """What Pyodide's list says of a wheel. All are loaded, so none needs to name another."""
    name, version = wheel.name.split("-")[:2]
    return {
        "name": name.lower().replace("_", "-"),
        "version": version,
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "install_dir": "site",
        "package_type": "package",
        "imports": [],
        "depends": [],
    }
