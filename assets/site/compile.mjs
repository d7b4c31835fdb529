// Compiles wheels and Python's library with the Python that will load them: node compile.mjs PYODIDE TO FILE...
// Then a kernel starts without a compiler's work. hfedu keeps its sources, which lessons show; else the compiled code
// takes their place.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [folder, to, ...files] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const pyodide = await loadPyodide({ indexURL: folder });
pyodide.FS.mkdir("/to");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: to }, "/to");
pyodide.FS.mkdir("/from");
for (const file of files) {
  pyodide.FS.writeFile(`/from/${basename(file)}`, readFileSync(file));
}
pyodide.globals.set("own", readFileSync(new URL("sitecustomize.py", import.meta.url), "utf-8"));
pyodide.runPython(`
import warnings
from importlib._bootstrap_external import _code_to_hash_pyc, cache_from_source
from importlib.util import source_hash
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

UNUSED = (".data/", "/tests/", "/typeshed/third_party/", "/django-stubs/")
"""What a server, a tester or a checker of types reads."""
LEXERS = "pygments/lexers/"
COMMON = {LEXERS + name for name in ("__init__.py", "_mapping.py", "python.py")}
"""Of the lexers a kernel loads these: all of them compiled would only be longer on their way."""
warnings.simplefilter("ignore")
for path in Path("/from").iterdir():
    library = path.suffix == ".zip"
    place = "/lib/python314.zip/" if library else "/lib/python3.14/site-packages/"
    with ZipFile(path) as old, ZipFile(Path("/to", path.name), "w", ZIP_DEFLATED) as new:
        files = {name: old.read(name) for name in old.namelist() if not name.endswith("/")}
        if library:
            files["sitecustomize.py"] = own.encode()
        for name, content in files.items():
            shown, seldom = name.startswith("hfedu/"), name.startswith(LEXERS) and name not in COMMON
            if any(part in name for part in UNUSED):
                continue
            if shown or seldom or not name.endswith(".py"):
                new.writestr(name, content)
            if name.endswith(".py") and not seldom:
                code = compile(content, place + name, "exec", dont_inherit=True)
                compiled = _code_to_hash_pyc(code, source_hash(content), False)
                new.writestr(cache_from_source(name) if shown else name + "c", compiled)
`);
