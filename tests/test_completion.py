"""What an editor knows of hfedu: names and options when Tab is pressed, types when a program is checked."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import hfedu
from hfedu import notebook
from hfedu.run import explorer, machine

ROOT = Path(__file__).parent.parent
COMPLETE = """if True:
    import json, sys
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    shell.run_cell("import hfedu; d = hfedu.RamDisk(b'1')")
    with provisionalcompleter():
        print(json.dumps([[c.text for c in shell.Completer.completions(t, len(t))] for t in sys.argv[1:]]))"""


def offered(*texts: str) -> list[list[str]]:
    """What IPython offers at the end of each text."""
    command = [sys.executable, "-c", COMPLETE, *texts]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@pytest.mark.slow
def test_tab_offers_names_and_options():
    names, of_boot, of_explore = offered("hfedu.bo", "hfedu.boot(d, cp", "hfedu.explore(s, ma")
    assert names == ["boot"]
    assert "cpus=" in of_boot
    assert "max_states=" in of_explore


def keywords(function) -> dict[str, inspect.Parameter]:
    return {p.name: p for p in inspect.signature(function).parameters.values() if p.name != "self"}


def test_boot_has_the_options_of_a_machine_with_a_notebooks_limits():
    limits = {"max_seconds": notebook.MAX_SECONDS, "max_traps": notebook.MAX_TRAPS}
    boot, made = keywords(hfedu.boot), keywords(machine.Machine.__init__)
    assert list(boot) == list(made)
    for name, parameter in made.items():
        assert boot[name] == parameter.replace(default=limits.get(name, parameter.default))


def test_explore_has_the_options_of_the_explorer_and_the_choice_of_a_hypervisor():
    made = keywords(machine.Machine.__init__)
    here, there = keywords(hfedu.explore), keywords(explorer.explore)
    chosen = {name: made[name] for name in ("profile", "fixes", "changes")}
    assert {name: here.get(name) for name in there | chosen} == there | chosen
    assert here.keys() == there.keys() | chosen.keys()


def test_each_public_name_is_imported_for_type_checkers_from_where_it_is_found():
    tree = ast.parse((ROOT / "hfedu" / "__init__.py").read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    imported = {(node.module, a.name, a.asname) for node in block.body[1:] for a in node.names}  # the first is Any
    assert imported == {(module, name, name) for module, names in hfedu._PUBLIC.items() for name in names}


PROGRAM = """import hfedu

run = hfedu.boot(hfedu.RamDisk(b"1"), cpus=2)
reveal_type(run)
reveal_type(run.events[0].seq)
reveal_type(hfedu.explore)
hfedu.boot(hfedu.RamDisk(b"1"), cpuz=2)
hfedu.bot
"""


@pytest.mark.slow
def test_a_type_checker_sees_types_and_a_misspelt_option(tmp_path, monkeypatch):
    """It reads types of an installed package only where py.typed says that there are some."""
    assert (ROOT / "hfedu" / "py.typed").exists()
    (tmp_path / "mine.py").write_text(PROGRAM)
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path / "mine.py")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    lines = [line.partition("mine.py:")[2] for line in said.splitlines() if "mine.py:" in line]
    assert lines[0] == '4: note: Revealed type is "hfedu.notebook.Run"'
    assert lines[1] in ('5: note: Revealed type is "int"', '5: note: Revealed type is "builtins.int"')
    assert lines[2].endswith('-> hfedu.notebook.Exploration"')
    assert 'Unexpected keyword argument "cpuz" for "boot"' in lines[3]
    assert any('Module has no attribute "bot"' in line for line in lines[4:])
