"""A guest's source, and the run that comes out if it is edited: the same machine, with one guest changed.

A script's source is that of its function, a program's what it was compiled from. What is edited is tried at once: so it
may be anything, and what goes wrong with it is a sentence.
"""

import inspect
import linecache
import sys
import textwrap
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any, NamedTuple

from hfedu.errors import Mistake
from hfedu.files import asset
from hfedu.guest.scripted import Script, check_script
from hfedu.guest.toolchain import Compiled, assemble, compile_again, compile_c
from hfedu.run.machine import Machine
from hfedu.run.recording import Actor, Recording
from hfedu.run.schedule import DEFAULT

SECONDS, TRAPS_AT_LEAST = 3.0, 2000
"""How long an edited guest may run, and how many traps it may make if the run before was short."""
SHIPPED = ("relay", "echo", "relay_primary", "pingpong_primary")
"""Images that come with hfedu, by the names of their sources."""
EDITS = count(1)


class GuestSource(NamedTuple):
    """The source of a guest: "Python", "C" or "assembly", and its text."""

    language: str
    text: str


def edited_vcpu(recording: Recording, name: str) -> Actor:
    """The vCPU of a name, such as "vm1.vcpu0". `Mistake` if there is none or the run cannot be made again."""
    if not recording.made:
        raise Mistake("only what a Machine recorded can run again: this recording does not say how it was made")
    vcpu = next((line.actor for line in recording.lifelines if line.name == name), None)
    if vcpu is None:
        raise Mistake(f"there is no {name!r} in this run to edit")
    return vcpu


def kernel_file(recording: Recording, vcpu: Actor) -> str:
    """The file name of the kernel of a vCPU's VM."""
    return "vmlinuz" if vcpu.vm == 0 else next(line.label for line in recording.lifelines if line.actor == vcpu)


def guest_source(recording: Recording, vcpu_name: str) -> GuestSource:
    """The source of the guest that a vCPU runs. `Mistake` if it is not known."""
    vcpu = edited_vcpu(recording, vcpu_name)
    name, disk = kernel_file(recording, vcpu), recording.made["ramdisk"]
    scripts = disk.scripts.get(name)
    if scripts:
        try:
            return GuestSource("Python", textwrap.dedent(inspect.getsource(scripts[(vcpu.vcpu or 0) % len(scripts)])))
        except (OSError, TypeError):
            raise Mistake(f"the source of VM {vcpu.vm}'s script is not known: there is nothing to edit") from None
    image = disk.kernel(name)
    if isinstance(image, Compiled):
        for file, language in (("guest.c", "C"), ("guest.s", "assembly")):
            if file in image.sources:
                return GuestSource(language, image.sources[file])
    for program in SHIPPED:
        if image and image == asset(f"{program}.bin").read_bytes():
            return GuestSource("C", asset(f"guests/{program}.c").read_text("utf-8"))
    raise Mistake(f"VM {vcpu.vm} runs machine code whose source is not known: there is nothing to edit")


def run_edited(recording: Recording, vcpu_name: str, text: str) -> Recording:
    """The run of the same machine with this text as the source of a guest. `Mistake` if it cannot be run.

    It may take three seconds, and twice the traps of the run before: whoever never ends is stopped, as ever.
    """
    vcpu = edited_vcpu(recording, vcpu_name)
    made, name = recording.made, kernel_file(recording, vcpu)
    source = guest_source(recording, vcpu_name)
    file = f"<guest of VM {vcpu.vm}, edited {next(EDITS)}>"
    disk = made["ramdisk"]
    if not isinstance(made["stdin"], bytes):
        raise Mistake("this run read what was typed while it ran: without that it cannot run again")
    with trial(file):
        if source.language == "Python":
            scripts = list(disk.scripts[name])
            at = (vcpu.vcpu or 0) % len(scripts)
            scripts[at] = script_of(text, scripts[at], file)
            disk = disk.with_guest(name, scripts)
        elif source.language == "assembly":
            disk = disk.with_guest(name, assemble(text))
        else:
            image = disk.kernel(name)
            again = compile_again(image, text) if isinstance(image, Compiled) else compile_c(text)
            disk = disk.with_guest(name, again)
        title = f"{recording.title}: edited".replace(": edited: edited", ": edited")
        planned = DEFAULT if isinstance(made["schedule"], list | tuple) else made["schedule"]
        few = max(TRAPS_AT_LEAST, 2 * len(recording.events))
        limits = {"max_seconds": SECONDS, "max_traps": few, "schedule": planned, "title": title}
        return Machine(**made | limits | {"ramdisk": disk}).run()


def script_of(text: str, before: Script, file: str) -> Script:
    """The script that a text defines, in the place of another, whose names it sees."""
    names: dict[str, Any] = {**before.__globals__, **inspect.getclosurevars(before).nonlocals}
    try:
        code = compile(text, file, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"line {line}: " if line else ""
        raise Mistake(f"{where}{getattr(error, 'msg', error)}") from None
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    old = dict(names)
    exec(code, names)
    new = (value for name, value in names.items() if old.get(name) is not value)
    mine: list[Script] = [value for value in new if inspect.isgeneratorfunction(value)]
    script = next((each for each in mine if names.get(before.__name__) is each), mine[-1] if mine else None)
    if script is None:
        raise Mistake(f"no guest is left: define a function that yields calls, as in def {before.__name__}():")
    check_script(script)
    return script


@contextmanager
def trial(file: str) -> Iterator[None]:
    """What Python code of this file raises becomes a `Mistake`; if it goes round for too long without a call, too."""
    end = time.monotonic() + SECONDS
    late = Mistake(f"it goes round and makes no call: after {SECONDS:g} seconds it was stopped")

    def line(_frame: FrameType, _event: str, _arg: Any) -> Any:
        if time.monotonic() > end:
            raise late
        return line

    def entered(frame: FrameType, _event: str, _arg: Any) -> Any:
        if frame.f_code.co_filename != file:
            return None
        frame.f_trace_opcodes = True  # a loop in one line begins no line
        return line

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        yield
    except Mistake:
        raise
    except (Exception, SystemExit) as error:
        lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == file]
        where = f"line {lines[-1]}: " if lines else ""
        raise Mistake(f"{where}{type(error).__name__}: {error}") from None
    finally:
        sys.settrace(before)
