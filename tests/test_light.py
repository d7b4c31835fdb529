"""Three weights: what works with nothing installed beside hfedu, and what is said where something is missing."""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

import hfedu
from hfedu.errors import PACKAGES, Trouble, lacking, needing
from hfedu.guest import unicorn_cpu

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of hfedu, built here without a network."""
    folder = tmp_path_factory.mktemp("a wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def bare(wheel, tmp_path_factory):
    """A Python with hfedu and nothing else, in a folder with a blank: runs a program, gives what it says."""
    home = tmp_path_factory.mktemp("no packages")
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "-q", wheel]
    subprocess.run(install, check=True)
    clean = {"PATH": str(home), "SYSTEMROOT": "C:\\Windows", "HFEDU_PROGRESS": ""}

    def run(*arguments):
        done = subprocess.run([python, *arguments], cwd=home, env=clean, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


SCRIPTED = """if True:
    import hfedu, sys
    from hfedu import RamDisk, clear, configure, receive, send, vcpu_run

    def primary():
        yield configure()
        yield vcpu_run(1)
        yield send(1, "hello")
        yield vcpu_run(1)

    def waits():
        yield configure()
        yield receive(block=True)
        yield clear()

    run = hfedu.boot(RamDisk(primary, [waits]))
"""


def test_scripts_are_booted_told_and_drawn(bare):
    said = bare("-c", SCRIPTED + "    print(run.outcome.sentence); print(run.transcript()); run.draw('a.svg')")
    assert "VM 1" in said
    assert "Traceback" not in said


def test_the_page_of_a_run_plays_and_answers_without_packages(bare):
    said = bare("-c", SCRIPTED + "    page = run.to_html(); print(len(page) > 100_000, run.steps(9), run.why(9))")
    assert said.startswith("True")
    assert "Traceback" not in said


def test_machine_code_runs_on_hfedus_own_cpu(bare):
    said = bare(
        "-c",
        "from hfedu import *; print(boot(RamDisk(asset('echo.bin').read_bytes()), max_instructions=1000).outcome)",
    )
    assert "instructions" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_every_order_is_tried(bare):
    assert "Every order was tried" in bare(
        "-c", "import hfedu; print(hfedu.demonstrate('regs-race', fixes=['regs-race']))"
    )
    assert "1 state" not in bare("-m", "hfedu", "explore", "regs-race")


@pytest.mark.slow
def test_exercises_are_judged_and_progress_is_shown(bare):
    code = """if True:
        import hfedu
        from hfedu.course.exercises import exercises
        right = [hfedu.check(e.id, e.solution) for e in exercises().values() if e.id[:2] in ('05', '06', '07')]
        print({verdict.state for verdict in right}, len(right) > 5)
        print(hfedu.check('05-decode', lambda value: (0, 0)))
        print(hfedu.hint('05-decode'), hfedu.progress())"""
    said = bare("-c", code)
    assert said.startswith("{'right'} True")
    assert "05-decode: wrong." in said
    assert "exercises right" in said


def test_the_command_line_says_what_there_is(bare):
    assert "explore" in bare("-m", "hfedu", "--help")
    assert "regs-race" in bare("-m", "hfedu", "explore")


MISSING = {
    "run.draw('a.png')": "A PNG or a PDF (not an SVG) needs matplotlib, which is not installed here: pip",
    "run.player()": "A player or a form needs anywidget, which is not installed here: pip install anywidget",
    "hfedu.playground()": "pip install anywidget",
    "hfedu.predict('05-first-send')": "pip install anywidget",
    "hfedu.you_are_the_hypervisor('wake-up')": "pip install anywidget",
    "import hfedu.bench": "A measurement needs the emulator unicorn, which is not installed here: pip",
    "hfedu.compile_c('')": "pip install 'hfedu[compile]'",
}


@pytest.mark.parametrize("call", MISSING)
def test_what_is_missing_is_said_in_one_sentence(bare, call):
    said = bare("-c", f"{SCRIPTED}    try: {call}\n    except hfedu.Mistake as mistake: print(mistake)")
    assert MISSING[call] in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("command", [["lab"], ["course", "check"]])
def test_commands_say_it_too(bare, command):
    said = bare("-m", "hfedu", *command)
    assert re.match(r"hfedu: .*pip install ", said)
    assert len(said.splitlines()) == 1


def test_lines_of_source_need_a_reader(monkeypatch):
    run = hfedu.boot(hfedu.RamDisk(hfedu.assemble("movz x0, #0xff01\nhvc #0\nwfi")))
    trap = next(event.seq for event in run.events if event.call)
    assert run.source(trap).line == 2
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    monkeypatch.setattr("hfedu.view.lines.installed", lambda module: False)
    again = hfedu.boot(hfedu.RamDisk(hfedu.assemble("movz x0, #0xff01\nhvc #0\nwfi")))
    with pytest.raises(Trouble, match="pip install pyelftools"):
        again.source(trap)


def test_instructions_are_words_where_nothing_reads_them(monkeypatch):
    run = hfedu.boot(hfedu.RamDisk(hfedu.assemble("movz x0, #0xff01\nprfm pldl1keep, [x1]\nhvc #0\nwfi")))
    trap = next(event.seq for event in run.events if event.call)
    monkeypatch.setitem(sys.modules, "capstone", None)
    listing = run.instructions(trap)
    assert ".word 0xf9800020" in str(listing)
    assert "hvc #0" in str(listing)


def test_a_package_that_cannot_be_loaded_is_told_from_one_that_is_missing():
    with pytest.raises(Trouble, match=r"unicorn is there, but cannot be loaded \(no library\)"), needing("unicorn"):
        raise ImportError("no library")
    with pytest.raises(ModuleNotFoundError), needing("unicorn"):
        raise ModuleNotFoundError("No module named 'other'", name="other")


def test_in_a_browser_binder_is_named(monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")
    assert "open this lesson on Binder" in str(lacking("unicorn"))
    assert "pip install ipywidgets" in str(lacking("ipywidgets"))


def test_an_emulator_that_does_otherwise_is_refused_before_it_runs_a_guest(monkeypatch):
    unicorn_cpu.prove_unicorn.cache_clear()
    monkeypatch.setattr(unicorn_cpu, "PROBE", unicorn_cpu.PROBE[:1] + b"\x98" + unicorn_cpu.PROBE[2:])
    with pytest.raises(Trouble, match=r"does not execute guests as hfedu needs it: pip install unicorn=="):
        hfedu.boot(hfedu.RamDisk(b"\x1f\x20\x03\xd5"))
    monkeypatch.undo()
    unicorn_cpu.prove_unicorn()


@pytest.mark.parametrize(
    ("system", "processor", "there"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("darwin", "arm64", True),
        ("win32", "AMD64", True),
        ("win32", "ARM64", False),
        ("emscripten", "wasm32", False),
    ],
)
def test_it_can_be_installed_wherever_python_is(system, processor, there):
    from packaging.requirements import Requirement

    needs = [Requirement(text) for text in PROJECT["dependencies"]]
    where = {"sys_platform": system, "platform_machine": processor}
    names = {need.name for need in needs if need.marker is None or need.marker.evaluate(where)}
    assert {"unicorn", "capstone"} <= names if there else not {"unicorn", "capstone"} & names
    assert {"ipywidgets", "anywidget", "pyelftools"} <= names


def test_versions_are_ranges_and_every_package_is_known():
    from packaging.requirements import Requirement

    extras = PROJECT["optional-dependencies"]
    needs = [
        Requirement(text) for text in PROJECT["dependencies"] + extras["compile"] + extras["pictures"] + extras["lab"]
    ]
    assert not [need for need in needs if "==" in str(need.specifier) or "<" not in str(need.specifier)]
    told = {re.sub(r"'hfedu\[(\w+)\]'", lambda m: Requirement(extras[m[1]][0]).name, p) for p, _ in PACKAGES.values()}
    assert told == {need.name for need in needs}
