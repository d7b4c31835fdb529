"""Compiling: limits, what is read, what an interrupt leaves, and whose fault it is that there is no program."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import hfedu
from hfedu import Mistake, assemble, compile_c
from hfedu.course import exercises
from hfedu.course.exercises import exercise_named
from hfedu.course.record import Record
from hfedu.errors import Trouble
from hfedu.guest import toolchain

COMPILERS = {"clang": ("clang", "ld.lld"), "gcc": toolchain.GCCS, "zig": ()}
"""By name: what is on the PATH where it is the one that is used."""
FOUND = [name for name, needed in COMPILERS.items() if not needed or any(map(shutil.which, needed))]


@pytest.fixture(params=FOUND, autouse=True)
def only(request, monkeypatch):
    """One of the compilers that are here, as if there were no other and nothing had been compiled yet."""
    monkeypatch.setattr(toolchain, "COMPILED", {})
    which, there = toolchain.which, COMPILERS[request.param]
    monkeypatch.setattr(toolchain, "which", lambda name: which(name) if name in there else None)


EMPTY = "void guest_main(void) {}"
SECRET = "a secret of the user's"
linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock")


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "secret.h").write_text(f'const char secret[] = "{SECRET}";\n')
    return tmp_path / "secret.h"


READING = {
    ".incbin": (assemble, '.incbin "PATH"'),
    ".INCBIN in C": (compile_c, f'__asm__(".INCBIN \\"PATH\\"");{EMPTY}'),
    ".include": (assemble, '.include "PATH"'),
    "#include": (compile_c, f'#include "PATH"\n{EMPTY}'),
    "#include of a name": (compile_c, f'#define X "PATH"\n#include X\n{EMPTY}'),
    "#embed": (compile_c, f'const char a[] = {{\n#embed "PATH"\n}};{EMPTY}'),
    "digraph": (compile_c, f'%:include "PATH"\n{EMPTY}'),
    "split line": (compile_c, f'#inc\\\nlude "PATH"\n{EMPTY}'),
    "comment": (compile_c, f'/* */ # /* */ include "PATH"\n{EMPTY}'),
    "upwards": (compile_c, f'#include "x/../../../../PATH"\n{EMPTY}'),
}
HIDDEN = {
    "macro": (assemble, '.macro m a b\n.\\a\\b "PATH"\n.endm\nm inc bin\n'),
    "joined texts": (compile_c, f'__asm__(".inc" "bin \\"PATH\\"");{EMPTY}'),
}


@pytest.mark.parametrize("way", READING)
def test_a_source_reads_no_file_of_the_users(secret, way):
    make, source = READING[way]
    with pytest.raises(Mistake, match="reads a file with"):
        make(source.replace("PATH", str(secret)))


@linux
@pytest.mark.parametrize("way", HIDDEN)
def test_not_even_where_it_hides_that_it_reads(secret, way):
    make, source = HIDDEN[way]
    with pytest.raises(Mistake, match=r"Could not find incbin file|file not found|Permission denied"):
        make(source.replace("PATH", str(secret)))


def test_headers_of_the_compiler_and_of_hfedu_are_there():
    assert compile_c(f'#include <stdint.h>\n#include "fdt.h" // for bootargs\n{EMPTY}')
    assert assemble("nop // .incbin is a word here\n/* .include too */")


WORKS = re.compile(r"zig|clang|aarch64-.*|as$")
TOO_LARGE = {"space": ".space 0x80000000\nnop", "fill": ".fill 0x7fffffff, 8, 1\nnop"}


@linux
@pytest.mark.parametrize("ended", [(-9, ""), (1, "gcc: fatal error: Killed signal terminated program cc1")])
def test_a_compiler_that_the_system_ends_says_nothing_of_the_program(monkeypatch, ended):
    monkeypatch.setattr(toolchain, "run_compiler", lambda *_: ended)
    with pytest.raises(Trouble, match="short of memory"):
        assemble("nop // once")


@linux
@pytest.mark.parametrize("way", TOO_LARGE)
def test_memory_and_files_have_a_limit(way):
    with pytest.raises(Mistake, match="is too large for the compiler") as caught:
        assemble(TOO_LARGE[way])
    assert not isinstance(caught.value, Trouble)


def test_time_has_a_limit_and_nothing_goes_on(monkeypatch):
    monkeypatch.setattr(toolchain, "SECONDS", 0.2)
    with pytest.raises(Trouble, match="the compiler was stopped after"):
        assemble(".rept 20000000\nnop\n.endr")
    assert not psutil.wait_procs(compilers(), timeout=5)[1]


def compilers():
    """Compilers at work, of this process and of those that lost theirs."""
    found = []
    for process in psutil.process_iter(["name", "status"]):
        if WORKS.match(process.info["name"]) and process.info["status"] != psutil.STATUS_ZOMBIE:
            with suppress(psutil.Error):  # it has ended meanwhile
                found += [process] if process.environ().get("HFEDU_TEST") == str(os.getpid()) else []
    return found


@pytest.fixture(autouse=True)
def marked(monkeypatch):
    monkeypatch.setenv("HFEDU_TEST", str(os.getpid()))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_ends_the_compiler_and_all_that_it_started():
    code = "import hfedu; print('begins', flush=True); hfedu.assemble('.rept 20000000\\nnop\\n.endr')"
    root = str(Path(hfedu.__file__).parent.parent)
    environment, pipe = os.environ | {"PYTHONPATH": root}, subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, env=environment)
    assert process.stdout.readline()
    while not compilers():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said
    assert not psutil.wait_procs(compilers(), timeout=5)[1]


@pytest.mark.parametrize("name", ["tm p", "ü'q", 'a"b', "x:y"])
def test_a_temporary_folder_may_have_any_name(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr(toolchain.tempfile, "tempdir", str(tmp_path / name))
    assert assemble("nop") == b"\x1f\x20\x03\xd5"
    assert compile_c(EMPTY)
    with pytest.raises(
        Mistake, match=r"the assembly does not compile, line 2: (unrecognized instruction|unknown mnemonic)"
    ):
        assemble("nop\nnap")


def no_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.tempfile, "tempdir", str(tmp_path / "missing"))


def full_disk(monkeypatch, tmp_path):
    def write(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write)


def no_compiler(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain, "which", lambda name: None)
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)


def no_python(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.sys, "executable", str(tmp_path / "missing"))


TROUBLES = [no_folder, full_disk, no_compiler, no_python]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("make", [lambda: assemble("nop"), lambda: compile_c(EMPTY)], ids=["assembly", "C"])
def test_trouble_of_the_computer_is_told_as_that(monkeypatch, tmp_path, trouble, make):
    trouble(monkeypatch, tmp_path)
    if trouble is no_compiler and "assemble" in make.__code__.co_names:
        assert make()
        return
    with pytest.raises(
        Trouble,
        match=r"temporary folder .* cannot be used|a compiler: .*pip install 'hfedu\[compile\]'|cannot be started",
    ):
        make()


@pytest.mark.parametrize("exercise", ["01-sum", "04-again", "13-echo", "14-in-c"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_and_never_judged(monkeypatch, tmp_path, exercise, trouble):
    solution = exercise_named(exercise).solution
    record = Record()
    monkeypatch.setattr(exercises, "RECORD", record)
    trouble(monkeypatch, tmp_path)
    verdict = hfedu.check(exercise, solution)
    if trouble is no_compiler and exercise != "14-in-c":
        assert verdict
        return
    assert verdict.state == "crashed"
    assert verdict.sentence.startswith("Your answer could not be judged: ")
    assert not record.noted


@pytest.mark.parametrize("source", [None, b"nop", 3, "nop \ud800", "\0", "\ufeff\u2013nop", "nop\u00a0nop"])
def test_any_text_is_a_program_or_a_sentence(source):
    for make in (assemble, compile_c):
        with pytest.raises(Mistake) as caught:
            make(source)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("flags", [(3,), ("a\0",), ("",), ("/etc/passwd",), ("-o", "x")])
def test_any_flag_is_a_program_or_a_sentence(flags):
    with suppress(Mistake):
        assert compile_c(EMPTY, *flags)
