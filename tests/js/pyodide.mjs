// Runs notebooks in Pyodide, as a browser would: node pyodide.mjs PYODIDE KERNEL NOTEBOOK... One JSON line for each cell.
// KERNEL is the folder of what a kernel loads.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
const [folder, kernel, ...notebooks] = process.argv.slice(2);
const { loadPyodide } = await import(`${folder}/pyodide.mjs`);

for (const path of notebooks) {
  const pyodide = await loadPyodide({
    indexURL: folder,
    lockFileURL: `${kernel}/pyodide-lock.json`,
    stdLibURL: `${kernel}/python_stdlib.zip`,
    stdout: () => {},
    stderr: () => {},
  });
  await pyodide.loadPackage(Object.keys(pyodide._api.lockfile_packages), { messageCallback: () => {} });
  pyodide.globals.set("book", readFileSync(path, "utf-8"));
  pyodide.globals.set("say", (cell, error, source) =>
    console.log(JSON.stringify({ notebook: basename(path), cell, error, source })),
  );
  await pyodide.runPythonAsync(`
import json
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.loads(book)["cells"]:
    if cell["cell_type"] == "code":
        result = shell.run_cell("".join(cell["source"]), store_history=True)
        error = result.error_before_exec or result.error_in_exec
        say(cell.get("id", ""), "" if error is None else f"{type(error).__name__}: {error}", "".join(cell["source"]))
`);
  console.log(JSON.stringify({ notebook: basename(path), heap: pyodide._module.HEAPU8.length >> 20 }));
}
