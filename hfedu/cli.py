"""The command line: hfedu boot | draw | explore | lab | course | bench.

Of `boot` stdout is the serial line and nothing else; what hfedu itself has to say goes to stderr. Exit status:
0 powered off or reset, 2 bad input, 3 a guest ran out of its budget or waits for ever, 4 the hypervisor hung or
panicked. Of `explore`: 0 everything was tried and no violation was found, 1 one was, 2 bad input, 3 none was found and
not everything was tried. An interrupt (Ctrl-C) ends every command with 130, but `lab`, where JupyterLab asks first.
"""

import argparse
import codecs
import importlib.util
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import hfedu
from hfedu.board.clock import CLOCKS
from hfedu.board.serial_input import Stream
from hfedu.course import commands as course
from hfedu.errors import Mistake, counted, printable, printable_lines
from hfedu.guest.emulator import CPU_KINDS
from hfedu.hf.platform import HEAP_PAGES
from hfedu.run.ramdisk import RamDisk, cpio_names
from hfedu.run.recording import Outcome
from hfedu.run.schedule import DEFAULT
from hfedu.view.theme import THEMES

BAD_INPUT, NOT_ALL_TRIED, INTERRUPTED = 2, 3, 130
PATIENCE = 60.0
"""Seconds after which a run that has not ended says so, again and again."""
SPELT = {"→": "->", "←": "<-", "≠": "!=", "×": "x", "–": "-", "—": "-", "…": "...", "’": "'", "“": '"', "”": '"'}
"""What stands for a character on a terminal that does not have it; a question mark for any other."""


def main(argv: list[str] | None = None) -> int:
    """Run one command. The exit status."""
    argv = sys.argv[1:] if argv is None else argv
    codecs.register_error("hfedu", spelt_out)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="hfedu")
    jupyter: list[str] = []
    if argv[:1] == ["lab"] and "--" in argv:
        at = argv.index("--")
        argv, jupyter = argv[:at], argv[at + 1 :]
    try:
        options = parser().parse_args(with_values(argv))
        options.jupyter = jupyter
        return int(options.command(options))
    except Mistake as error:
        return complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return complain(f"cannot write{f' {error.filename}' if error.filename else ''}: {error.strerror}")


def spelt_out(error: UnicodeError) -> tuple[str, int]:
    """What a terminal gets for characters that it does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SPELT.get(each, "?") for each in error.object[error.start : error.end]), error.end


def with_values(argv: list[str]) -> list[str]:
    """The arguments, where what follows --append is its value even if it begins with a hyphen, as QEMU takes it."""
    joined = list(argv)
    for at in reversed(range(len(argv) - 1)):
        if argv[at] == "--append":
            joined[at : at + 2] = [f"--append={argv[at + 1]}"]
    return joined


def complain(sentence: str) -> int:
    """One line to stderr. The exit status for bad input."""
    print(f"hfedu: {Mistake(sentence)}", file=sys.stderr)
    return BAD_INPUT


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(BAD_INPUT, f"hfedu: {Mistake(message)} ({self.prog} --help lists what there is)\n")


def event_range(text: str) -> tuple[int, int | None]:
    """FIRST:LAST, either end may be missing. Example: "10:" -> (10, None)."""
    match = re.fullmatch(r"(\d*):(\d*)", text)
    if match is None or (match[2] and int(match[2]) < int(match[1] or 0)):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of events: write FIRST:LAST, such as 0:40")
    return int(match[1] or 0), int(match[2]) if match[2] else None


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = Parser(prog="hfedu", description="Run a small real hypervisor and look at what it does.")
    top.add_argument("--version", action="version", version=f"hfedu {hfedu.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    profile = Parser(add_help=False)
    profile.add_argument("--profile", metavar="P", help="the hypervisor: 2018-10-04, fixed (all repairs), or rpc")
    profile.add_argument("--fix", action="append", default=[], metavar="ID", help="repair a defect; may be repeated")
    machine = Parser(add_help=False, parents=[profile])
    machine.add_argument("initrd", metavar="INITRD", help="a RAM disk: binary cpio with vmlinuz, initrd.img, vms.txt")
    machine.add_argument("--append", default="", metavar="ARGS", help="boot arguments (chosen/bootargs)")
    machine.add_argument("--memory", default="16M", metavar="SIZE", help="RAM, such as 16M or 1G")
    machine.add_argument("--max-seconds", type=float, metavar="N", help="stop after N seconds")
    machine.add_argument("--max-instructions", type=int, metavar="N", help="stop after N guest instructions")
    machine.add_argument("--cpus", type=int, default=1, metavar="N", help="physical CPUs")
    machine.add_argument("--schedule", default=DEFAULT, metavar="S", help="a seed, 'every K', or a list such as 0,1,0")
    machine.add_argument("--cpu", default=CPU_KINDS[0], metavar="CPU", help=f"what executes: {' or '.join(CPU_KINDS)}")
    machine.add_argument(
        "--heap-pages", type=int, default=HEAP_PAGES, metavar="N", help="the hypervisor's pool of page tables"
    )
    machine.add_argument(
        "--timer", type=int, metavar="N", help="interrupt each CPU again and again after N instructions"
    )
    machine.add_argument(
        "--clock", default=CLOCKS[0], metavar="C", help="what time is: instructions, or the host's: host"
    )

    boot = commands.add_parser(
        "boot",
        parents=[machine],
        help="boot a RAM disk and print its serial line",
        epilog="What comes in on stdin is sent to the machine. Exit status: 0 powered off or reset, 2 bad input, 3 a "
        "guest ran out of its budget or waits for ever, 4 the hypervisor hung or panicked, 130 interrupted.",
    )
    boot.set_defaults(command=command_boot)

    draw = commands.add_parser("draw", parents=[machine], help="boot a RAM disk and draw its sequence diagram")
    draw.add_argument("-o", "--output", required=True, metavar="FILE", help="FILE.svg, .png, .pdf, .html, .mmd or .txt")
    draw.add_argument("--events", type=event_range, default=(0, None), metavar="A:B", help="only events A to B")
    draw.add_argument("--theme", choices=THEMES, default="light", help="colours of the picture")
    draw.set_defaults(command=command_draw)

    explore = commands.add_parser(
        "explore",
        parents=[profile],
        help="try every order of steps and show what breaks",
        epilog="Exit status: 0 no violation was found, 1 one was, 2 bad input, 3 none was found and not "
        "everything was tried, 130 interrupted. Without a profile the hypervisor is the "
        "one at fault; a wrong hypervisor's mistake is gone with --profile fixed.",
    )
    explore.add_argument(
        "id", nargs="?", metavar="ID|FILE.py:NAME",
        help="a defect or a wrong hypervisor; or a scenario in a file of yours, or a function there that explores one; "
        "without it, list them",
    )  # fmt: skip
    explore.add_argument("--cpus", type=int, metavar="N", help="physical CPUs, if not all that there are scripts for")
    explore.add_argument("--preemptions", type=int, metavar="N", help="leave a CPU that could go on N times at most")
    explore.add_argument("--max-states", type=int, metavar="N", help="stop at N states")
    explore.add_argument("--json", action="store_true", help="print JSON")
    explore.add_argument("--html", metavar="FILE", help="write a report: table, graph, and the run that breaks it")
    explore.set_defaults(command=command_explore)

    course.add_lab(commands.add_parser("lab", help="open the lessons in JupyterLab"))
    course.add_course(commands.add_parser("course", help="give the lessons to a class, and judge what comes back"))

    bench = commands.add_parser("bench", help="measure how fast hfedu is here")
    bench.add_argument(
        "initrd", nargs="?", metavar="INITRD|explore|player", help="a RAM disk to boot; or what else to measure"
    )
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    bench.set_defaults(command=command_bench)
    return top


def how(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of a machine, as options of `Machine`."""
    profile = {"profile": options.profile} if options.profile is not None else {}
    names = "cpus", "schedule", "timer", "clock", "cpu", "heap_pages", "max_instructions"
    return {**{name: getattr(options, name) for name in names}, "fixes": options.fix, **profile}


def command_boot(options: argparse.Namespace) -> int:
    """hfedu boot: the serial line to stdout as it comes, and from stdin."""
    if sys.stdout is None:
        return complain("there is no standard output to print the serial line on")
    disk = RamDisk.from_file(options.initrd)
    limits = {"max_seconds": options.max_seconds, "record": False}
    stdin = Stream(0) if sys.stdin is not None else b""
    machine = hfedu.Machine(disk, options.append, options.memory, stdin=stdin, **limits, **how(options))
    written, begin = 0, time.monotonic()
    next_word = begin + PATIENCE

    def flush() -> None:
        nonlocal written, next_word
        now = time.monotonic()
        if now >= next_word:
            next_word = now + PATIENCE
            complain(still_running(now - begin, machine.budget.trapped))
        output = machine.board.memory.uart.output
        if len(output) > written:
            sys.stdout.buffer.write(bytes(output[written:]).replace(b"\r", b""))
            sys.stdout.buffer.flush()
            written = len(output)

    machine.budget.on_check = flush
    try:
        with each_key_at_once():
            outcome: Outcome = machine.run().outcome
    finally:
        flush()
    report(outcome, disk)
    return outcome.status


@contextmanager
def each_key_at_once() -> Iterator[None]:
    """A terminal that hands on each key when it is pressed and prints none, for the guest does. Ctrl-C still stops."""
    if sys.stdin is None or not sys.stdin.isatty() or importlib.util.find_spec("termios") is None:
        yield
        return
    import termios

    before = termios.tcgetattr(0)
    raw = termios.tcgetattr(0)
    raw[0] &= ~termios.ICRNL
    raw[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(0, termios.TCSADRAIN, raw)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def still_running(seconds: float, traps: int) -> str:
    """What to say of a run that does not end."""
    return (
        f"the guests still run after {counted(round(seconds), 'second')}, with {counted(traps, 'trap')} so far: "
        "they may never end. Ctrl-C stops them, --max-seconds N does it next time"
    )


def report(outcome: Outcome, disk: RamDisk) -> None:
    """What hfedu has to say about how a run ended."""
    if outcome.status:
        complain(outcome.sentence)
    names = cpio_names(disk.image)
    purposes = {"vmlinuz": "the primary's kernel", "initrd.img": "the primary's own RAM disk, may be empty"}
    for name, purpose in purposes.items():
        if name not in names:
            complain(f"the RAM disk has no {name} ({purpose}); it has {', '.join(filter(None, names)) or 'no files'}")


def command_draw(options: argparse.Namespace) -> int:
    """hfedu draw: the sequence diagram into a file."""
    limits = {"max_seconds": options.max_seconds} if options.max_seconds is not None else {}
    run = hfedu.boot(options.initrd, options.append, options.memory, **how(options), **limits)
    if not run.events:
        return complain(f"there is nothing to draw: {run.outcome.sentence}")
    first, last = options.events
    if first >= len(run.events):
        return complain(f"there is no event {first}: the run has events 0 to {len(run.events) - 1}")
    run.draw(options.output, first, last, options.theme)
    written = printable(f"{run.outcome.sentence} Written to {options.output}.")
    print(f"hfedu: {counted(len(run.events), 'event')}, {written}", file=sys.stderr)
    return 0


def command_explore(options: argparse.Namespace) -> int:
    """hfedu explore: the list of demonstrations, one of them, or a user's own scenario: what breaks, what was tried."""
    from hfedu.course.demonstrations import DEMONSTRATIONS, demonstrate
    from hfedu.widgets.progress import ProgressLine

    if options.id is None:
        listed = [{"id": d.id, "shown_by": d.shown_by, "meaning": d.meaning} for d in DEMONSTRATIONS.values()]
        lines = [course.in_columns(f"{row['id']:22} {row['meaning']} ({row['shown_by']})", 23 * " ") for row in listed]
        print(json.dumps(listed) if options.json else "\n".join(lines))
        return 0
    names = ("cpus", "preemptions", "max_states")
    bounds = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    own = ".py:" in options.id
    with ProgressLine() as progress:
        found: Any = (
            explore_file(options, bounds, progress)
            if own
            else demonstrate(options.id, options.profile, options.fix, progress=progress, **bounds)
        )
    if options.html is not None:
        write_report(found, options.html)
    if options.json:
        violations = [
            {"invariant": v.invariant, "sentence": v.sentence, "schedule": v.schedule} for v in found.violations
        ]
        covered = ("states", "steps", "depth", "schedules", "complete", "bounds", "results")
        facts = {"id": options.id, "violations": violations, **{n: getattr(found, n) for n in covered}}
        print(json.dumps(facts, default=repr))
    else:
        said = str(found) if own else f"{DEMONSTRATIONS[options.id].meaning}\n{found}"
        print(printable_lines(course.in_columns(said)))
    if getattr(found, "interrupted", False):
        return INTERRUPTED
    if found.violations:
        return 1
    return 0 if found.complete else NOT_ALL_TRIED


def explore_file(options: argparse.Namespace, bounds: dict[str, Any], progress: Any) -> Any:
    """Explore a scenario in a user's file; a function there without arguments does it as it likes."""
    path, _, name = options.id.rpartition(":")
    found = getattr(module_of(path), name, None)
    if isinstance(found, hfedu.Scenario):
        chosen = {"profile": options.profile} if options.profile is not None else {}
        return hfedu.explore(found, progress=progress, fixes=options.fix, **chosen, **bounds)
    if not callable(found):
        raise Mistake(
            f"{path} has no scenario {name!r}: write {name} = hfedu.Scenario(...), or a function that explores"
        )
    if bounds or options.profile is not None or options.fix:
        raise Mistake(f"{name} explores as it likes: write into it what --cpus, --profile and the like would say")
    explored = told_plainly(path, found)
    if not hasattr(explored, "violations"):
        raise Mistake(f"{name}() must return what hfedu.explore gave, not {explored!r:.100}")
    return explored


def module_of(path: str) -> Any:
    """The module in a user's file. `Mistake` in a line if it cannot be read or does not run."""
    stem = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(f"explored_{stem}", path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise Mistake(f"there is no file {path}: name a file and what is in it, such as ring.py:scenario")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    told_plainly(path, spec.loader.exec_module, module)
    return module


def told_plainly(path: str, function: Any, *arguments: Any) -> Any:
    """Call a function of a user's. What it raises becomes a `Mistake` that says where."""
    try:
        return function(*arguments)
    except (Mistake, KeyboardInterrupt):
        raise
    except BaseException as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{path}, line {line}" if line else path
        raise Mistake(f"{where}: {type(error).__name__}: {getattr(error, 'msg', None) or error}") from error


def write_report(found: Any, path: str) -> None:
    """The report of an exploration into a file."""
    from hfedu.view.report import report_page

    if not hasattr(found, "graph"):
        raise Mistake(f"{found.id} is one run on one CPU: there is no graph of states to report")
    run = found.counterexample() if found.violations else None
    course.write_page(Path(path), report_page(found, run).encode())
    course.tell(f"the report is in {path}")


def command_bench(options: argparse.Namespace) -> int:
    """hfedu bench: numbers."""
    from hfedu.bench import bench, bench_explore, bench_player

    special = {"explore": bench_explore, "player": bench_player}.get(options.initrd)
    figures = special() if special else bench(options.initrd)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):28} {value:8.2f}")
    return 0
