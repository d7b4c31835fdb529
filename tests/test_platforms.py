"""What only POSIX has is used where it is asked for first, and folders have any names."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from class_of import RIGHT_DECODE, book_with, checking

import hfedu
from hfedu import Mistake, cli
from hfedu.guest import toolchain

ROOT = Path(__file__).parent.parent
PACKAGE = Path(hfedu.__file__).parent
MODULES = {"resource", "fcntl", "termios", "tty", "pty", "pwd", "grp", "syslog"}
OF_OS = set(
    "fork forkpty setsid setpgid getpgid getpgrp killpg wait wait3 wait4 waitid WNOHANG WIFSIGNALED WIFEXITED WTERMSIG "
    "geteuid getuid getgid getegid mkfifo mknod sysconf O_PATH O_CLOEXEC O_NONBLOCK O_NOFOLLOW O_DIRECTORY uname nice "
    "sched_getaffinity sched_setaffinity chroot chown lchown fchown fchmod statvfs openpty memfd_create posix_spawn "
    "getloadavg set_blocking ttyname confstr pipe2".split()
)
OF_SIGNAL = set("SIGKILL SIGALRM SIGHUP SIGUSR1 SIGUSR2 SIGXCPU SIGQUIT SIGCHLD alarm setitimer pthread_kill".split())
ASKED_AT_THE_DOOR = {"course/grading", "guest/confined.py"}
"""Rooms that nobody enters where there is no `os.fork`, and a script that only POSIX runs."""
ASKS = re.compile(r"os\.name|sys\.platform|hasattr\((os|signal),|find_spec\(")
AS_ON_WINDOWS = f"""
import asyncio, concurrent.futures, multiprocessing, multiprocessing.connection, os, pathlib, pkgutil, select, shutil
import signal, subprocess, sys, tempfile, threading, zipfile
import IPython, ipywidgets, matplotlib.figure, nbformat
for module, names in ((os, {OF_OS}), (signal, {OF_SIGNAL})):
    for name in names & set(vars(module)):
        delattr(module, name)
for name in {MODULES}:
    sys.modules[name] = None
import hfedu
for module in pkgutil.walk_packages(hfedu.__path__, "hfedu."):
    if not module.name.startswith("hfedu.__main__"):
        __import__(module.name)
from hfedu import cli

def primary():
    yield hfedu.configure()
    yield hfedu.vcpu_run(1)

run = hfedu.boot(hfedu.RamDisk(primary, [hfedu.asset("relay.bin")]))
assert "HF_VCPU_RUN" in run.transcript() and run.draw("a run.html")
assert hfedu.check("05-decode", lambda value: (value & 0xffff, value >> 32))
assert cli.main(["course", "start", "my lessons"]) == 0
assert cli.main(["course", "worksheet", "05"]) == 0
assert cli.main(["course", "grade", "my lessons"]) == 2
"""


def uses(path):
    """Each use in a module of what only POSIX has, and the function around it."""
    tree = ast.parse(path.read_text("utf-8"))
    text = path.read_text("utf-8")
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        module = node.value.id if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
        found = node.attr in {"os": OF_OS, "signal": OF_SIGNAL}.get(module, ()) if module else False
        imported = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module] if isinstance(node, ast.ImportFrom) else []
        if found or MODULES & set(filter(None, imported)):
            around = [each for each in functions if each.lineno <= node.lineno <= each.end_lineno]
            yield node.lineno, ast.get_source_segment(text, around[-1]) if around else ""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_only_posix_has_is_asked_for_first(path):
    where = path.relative_to(PACKAGE).as_posix()
    if where.startswith(tuple(ASKED_AT_THE_DOOR)):
        return
    assert not [line for line, around in uses(path) if not ASKS.search(around)]


@pytest.mark.slow
def test_without_what_only_posix_has_all_of_it_loads_and_the_rest_works(tmp_path):
    """A sweep of names is not Windows, but what is used without asking fails here as it does there."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path]), "HFEDU_PROGRESS": str(tmp_path / "p.json")}
    done = subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "hfedu: hfedu course grade needs Linux or macOS: on Windows run it in WSL"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Jane Doe", 'd\'Arc & "Co"', "Żółć 50%", "a$b;c(d)[e]", "-x"])
def test_a_folder_may_have_any_name(name, tmp_path, monkeypatch, capsys):
    home = tmp_path / name
    (home / "tmp").mkdir(parents=True)
    monkeypatch.chdir(home)
    for variable in toolchain.TEMPORARY:
        monkeypatch.setenv(variable, str(home / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(Mistake, match=r"does not compile, line 2: "):
        hfedu.compile_c(f"// {name}\nvoid guest_main(void) {{ foo }}")
    image = hfedu.assemble(f"nop // {name}\nhvc #0\nwfi")
    guest = home / "my guest.bin"
    guest.write_bytes(image)
    disk = hfedu.RamDisk(guest)
    disk_file = home / "a disk.img"
    disk_file.write_bytes(disk.image)
    assert hfedu.boot(disk, max_traps=5).events
    assert cli.main(["draw", str(disk_file), "-o", str(home / "a picture.svg")]) == 0
    assert cli.main(["course", "start", str(home / "my lessons")]) == 0
    handed = home / "hand ins"
    handed.mkdir()
    (handed / "ada king.ipynb").write_bytes(book_with([checking("05-decode", RIGHT_DECODE)]))
    assert cli.main(["course", "grade", str(handed), "--csv", str(home / "g s.csv")]) == 0
    assert "ada king" in capsys.readouterr().out
    assert cli.main(["course", "worksheet", "05", "-o", str(home / "w s.html")]) == 0


def test_where_the_project_lives_is_put_in_by_one_command(tmp_path):
    """The command that CONTRIBUTING gives leaves no placeholder, and the addresses are those of the new place."""
    texts = [*ROOT.glob("*.*"), *ROOT.glob(".github/**/*.*"), *ROOT.glob("assets/site/*.*")]
    named = [path for path in texts if path.is_file() and "ORG" in path.read_text("utf-8", "replace")]
    assert {path.name for path in named} == {"README.md", "CONTRIBUTING.md", "CITATION.cff", "pyproject.toml"}
    command = re.search(r"`git grep -l ORG \| xargs (sed -i '.*?')`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))[1]
    copies = [Path(shutil.copy(path, tmp_path)) for path in named]
    new = command.replace("org/repo", "acme/hv").replace("org.github.io/repo", "acme.github.io/hv")
    subprocess.run([*shlex.split(new), *copies], check=True)
    for path in copies:
        left = [line for line in path.read_text("utf-8").splitlines() if re.search(r"\b(ORG|REPO)\b", line)]
        assert all("git grep -l ORG" in line for line in left)
    urls = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert (urls["Repository"], urls["Homepage"]) == ("https://github.com/acme/hv", "https://acme.github.io/hv/")
