"""The rules of the house: layers, who imports what, and how large it may grow."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sizes

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hfedu"
LAYERS = [
    "errors",
    "files",
    "hf",
    "history",
    "board",
    "guest",
    "run",
    "view",
    "widgets",
    "notebook",
    "course",
    "bench",
    "cli",
    "__main__",
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(module: str) -> int | None:
    parts = module.split(".")
    return LAYERS.index(parts[1]) if parts[0] == "hfedu" and len(parts) > 1 else None


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module == "hfedu":
                found |= {f"hfedu.{alias.name}" for alias in node.names}
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downward_only(path):
    mine = layer(name_of(path))
    if mine is None:
        return
    for module in imports(path):
        theirs = layer(module)
        assert theirs is None or theirs <= mine, f"{name_of(path)} imports {module}, which is above it"


LESSONS_OF_COURSE = sorted((PACKAGE / "course" / "lessons").glob("lesson*.py"))


@pytest.mark.parametrize("path", LESSONS_OF_COURSE, ids=name_of)
def test_no_lesson_imports_another(path):
    assert not {module for module in imports(path) if module.startswith("hfedu.course.lessons")}


def defined(path: Path) -> set[str]:
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_a_name_that_lessons_share_has_one_meaning():
    shared = sorted((PACKAGE / "course" / "shared").glob("*.py"))
    owner: dict[str, str] = {}
    for path in [*shared, *LESSONS_OF_COURSE]:
        for name in defined(path):
            assert name not in owner, f"{name_of(path)} and {owner[name]} both define {name}"
            if path in shared:
                owner[name] = name_of(path)


def importers(module: str) -> set[str]:
    return {name_of(path) for path in MODULES if any(name.split(".")[0] == module for name in imports(path))}


@pytest.mark.slow
def test_one_module_knows_unicorn_and_one_knows_matplotlib():
    assert importers("unicorn") == {"hfedu.guest.unicorn_cpu"}
    assert importers("matplotlib") == {"hfedu.view.paint"}


def test_hypervisor_uses_the_standard_library_only_and_does_no_io():
    for path in (PACKAGE / "hf").glob("*.py"):
        for module in imports(path):
            top = module.split(".")[0]
            assert module.startswith("hfedu.hf") or top in sys.stdlib_module_names, f"{path.name} imports {module}"
            assert top not in {"os", "sys", "io", "logging", "pathlib", "socket", "subprocess"}
        calls = {
            n.func.id
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert not calls & {"print", "open", "input"}


def test_no_loop_in_the_hypervisor_spans_a_yield():
    """Iterator state would hide from a key of the machine's state."""
    for path in (PACKAGE / "hf").glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and "Steps" in ast.unparse(function.returns or ast.Constant("")):
                for node in ast.walk(function):
                    if isinstance(node, ast.For | ast.While | ast.Try) and node.lineno:
                        inside = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node))
                        assert not inside, f"{path.name}:{node.lineno}"


def test_every_room_is_below_its_ceiling():
    found = sizes.sizes()
    print(sizes.table(found))
    assert not {room: size for room, size in found.items() if size > sizes.CEILINGS[room]}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = 1\n", 3),
        ('"""Doc."""\n\n# why\nx = (\n    1\n)\n', 5),
        ('def f():\n    """Doc."""\n    return "two words"\n', 7),
        ("f\"{x} and {f'{y + 1}'}\"\n", 6),
        ("x\n'no docstring'.upper()\n", 6),
    ],
)
def test_tokens_of_python_are_code_only(source, count):
    assert sizes.python_tokens(source) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("const x = 1; // one\n", 5),
        ("/* two\nlines */ x ??= a?.b", 5),
        ("s.replace(/[\"/`']/g, `no ${n + `${m}`} more ${'}'}`)", 13),
        ("const half = (a + b) / 2 / c", 12),
        ("a { color: #fff; }", 7),
    ],
)
def test_tokens_of_scripts_are_code_only(source, count):
    assert sizes.script_tokens(source) == count


SHOWN_IN_NOTEBOOKS = {"Exploration", "Machine", "Reached", "boot", "explore", "find", "replay"}
"""What `hfedu.notebook` has under the same name as the room below it, because there it shows itself."""


def top_level_names(path: Path) -> set[str]:
    """The classes, functions and constants of a module, but for private ones and variables of types."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and not is_script(node)):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in found if not name.startswith("_") and len(name) > 1}


def is_script(function: ast.FunctionDef) -> bool:
    """Whether a function is a guest: its name is the one that learners see in the picture."""
    return not function.args.args and any(isinstance(node, ast.Yield) for node in ast.walk(function))


@pytest.mark.slow
def test_no_two_rooms_have_a_name_for_two_things():
    """Lessons are left out: what a lesson calls its own is seen by nobody else."""
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        if "lessons" not in path.parts and path.name != "__init__.py":
            for name in top_level_names(path):
                homes.setdefault(name, []).append(name_of(path))
    twins = {name: found for name, found in homes.items() if len(found) > 1 and name not in SHOWN_IN_NOTEBOOKS}
    assert not twins


def test_nothing_slices_a_name_to_know_a_vcpu():
    """Whom an event is about is an object: no code takes "vm12.vcpu0" apart."""
    patterns = (
        r'\.partition\("\."\)\[0\]\[2:',
        r"\.actor\[|\.target\[",
        r"actor\.(split|partition|startswith)",
        r"\[2:-7\]",
    )
    for path in MODULES:
        for pattern in patterns:
            assert not re.search(pattern, path.read_text()), (name_of(path), pattern)


def test_public_names_are_documented():
    import hfedu

    for name in hfedu.__all__:
        assert getattr(hfedu, name).__doc__, f"hfedu.{name} has no docstring"


def test_importing_hfedu_loads_neither_unicorn_nor_matplotlib():
    code = "import sys, hfedu; hfedu.boot; hfedu.RamDisk; assert not {'unicorn', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_make_says_what_there_is_to_make():
    makefile = (ROOT / "Makefile").read_text()
    targets = {name for names in re.findall(r"^\.PHONY:(.*)", makefile, re.MULTILINE) for name in names.split()}
    said = set(re.findall(r"'make (\w+)  ", makefile))
    assert said == targets - {"help"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_what_a_page_for_contributors_names_is_there(page):
    named = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`|\]\((?!http)([^)]+)\)", (ROOT / page).read_text()))
    missing = [path for path in map("".join, named) if not (ROOT / path).exists()]
    assert not [path for path in missing if not path.startswith(".venv/")]


def test_a_test_starts_without_what_it_does_not_use():
    code = """if True:
        import sys, pytest
        assert pytest.main(["-q", "--collect-only", "tests/test_binder.py"]) == 0
        unused = {"nbval", "anyio", "jsonschema", "hypothesis", "playwright", "matplotlib"}
        assert not unused & set(sys.modules), unused & set(sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_lessons_are_stored_executed_and_show_without_a_kernel(path):
    notebook = json.loads(path.read_text())
    assert "widgets" not in notebook["metadata"]
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in outputs)
    pictures = [output for output in outputs if {"image/svg+xml", "image/png"} & output.get("data", {}).keys()]
    assert pictures
    assert not any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)
