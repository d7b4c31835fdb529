"""Texts that come from others: whatever they hold, there is a result or a sentence, and nothing raw is shown."""

import base64
import hashlib
import json
import os
import random
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from class_of import RIGHT_DECODE, book_with, checking

import hfedu
from hfedu import Machine, Mistake, RamDisk, Scenario, Secondary, cli
from hfedu.course import progress
from hfedu.course.record import Standing
from hfedu.errors import printable
from hfedu.guest.toolchain import flat
from hfedu.run import token as tokens
from hfedu.run.ramdisk import cpio_entry

CODE = b"\0\0\0\x14"
EVIL = "a\x1b]0;owned\x07\x1b[2Jb\x9b\u202ec\x7f"
NUMBERS = (0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 4096, 0x4000_0000)
ROUNDS = range(5)


def primary():
    yield hfedu.configure()
    yield hfedu.vcpu_run(1)


def waits():
    yield hfedu.configure()
    yield hfedu.receive(block=True)


DISK = RamDisk(primary, [waits])
RUN = hfedu.boot(DISK)
TOKEN = RUN.token()
FACTS = tokens.unpack(TOKEN)


def changed(rng, content):
    """Bytes with some of them changed, added, left out or repeated."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(content) + 1)
        word = struct.pack(rng.choice("<>") + "Q", rng.choice((*NUMBERS, rng.getrandbits(64))))
        match rng.randrange(5):
            case 0 if content:
                content[at % len(content)] = rng.getrandbits(8)
            case 1:
                content[at:at] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del content[at : at + rng.randint(1, 16)]
            case 3:
                content[at : at + 8] = word[: rng.choice((2, 4, 8))]
            case _:
                other = rng.randrange(len(content) + 1)
                content[at:at] = content[other : other + rng.randint(1, 40)]
    return bytes(content)


def said(make):
    """Let it be made, or refused in a sentence that can be shown."""
    try:
        return make()
    except Mistake as mistake:
        sentence = str(mistake)
    assert sentence.isprintable()
    assert len(sentence) < 2100
    return None


def packed(facts):
    """A token that is whole, whatever it says."""
    content = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    deflate = zlib.compressobj(9, wbits=-15, zdict=tokens.DICTIONARY)
    body = zlib.crc32(content).to_bytes(4, "big") + deflate.compress(content) + deflate.flush()
    return tokens.PREFIX + base64.urlsafe_b64encode(body).decode().rstrip("=")


ODD = [
    None, True, False, 0, -1, 1, 1.5, float("nan"), float("inf"), 2**63, 2**70, -(2**70), "", "x", "\0", "\ud800", EVIL,
    [], [None], {}, {"a": 1}, "9" * 5000, "every 0", f"every {'9' * 5000}", [0, 0, 0], [-1], [99], "16M", "1023G", "4K",
    ["regs-race"], "regs-race", ["nope"], [[]], [{}], "fixed", "rpc", 1e308, 10**18,
]  # fmt: skip


def odd_token(rng):
    facts = json.loads(json.dumps(FACTS))
    match rng.randrange(4):
        case 0:
            return "".join(map(chr, changed(rng, TOKEN.encode())))
        case 1:
            return packed(changed(rng, json.dumps(facts).encode()))
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.3 or not isinstance(facts[2], dict):
            facts[rng.randrange(len(facts))] = rng.choice(ODD)
        else:
            facts[2][rng.choice([*facts[2], "ramdisk", "record", "max_seconds", "self"])] = rng.choice(ODD)
    return packed(facts[: rng.randrange(len(facts) + 1)] if rng.random() < 0.1 else facts)


@pytest.mark.parametrize("seed", ROUNDS)
def test_any_token(seed):
    rng = random.Random(seed)
    for _ in range(500):
        text = odd_token(rng)
        said(lambda text=text: hfedu.replay(text, DISK, max_seconds=1))


@pytest.mark.parametrize("option", FACTS[2])
def test_any_option_in_a_token(option):
    for odd in ODD:
        facts = json.loads(json.dumps(FACTS))
        facts[2][option] = odd
        said(lambda facts=facts: hfedu.replay(packed(facts), DISK, max_seconds=1))


@pytest.mark.parametrize("facts", [b"\xff", b"nul", b"[" * 500_000, b"9" * 5000, b"3", b"[]", b'"\\ud800"'])
def test_a_whole_token_of_anything_is_damaged(facts):
    with pytest.raises(Mistake, match="the token is damaged"):
        hfedu.replay(packed(facts), DISK)


def test_a_token_has_no_more_memory_and_time_than_a_notebook_gives():
    facts = json.loads(json.dumps(FACTS))
    facts[2]["memory"] = "6G"
    with pytest.raises(Mistake, match=r"asks for 6G of memory: .* allow it with max_memory="):
        hfedu.replay(packed(facts), DISK)
    spin = RamDisk(CODE)
    facts = tokens.unpack(hfedu.boot(spin, max_instructions=100, max_seconds=None).token())
    facts[2]["max_instructions"] = facts[2]["max_traps"] = None
    with pytest.raises(Mistake, match=r"not over after 0\.2 seconds: .* allow more with max_seconds="):
        hfedu.replay(packed(facts), spin, max_seconds=0.2)
    big = hfedu.boot(DISK, memory="512M").token()
    assert hfedu.replay(big, DISK, max_memory=None).token() == big


STRING = progress.encode({name: Standing(number % 3) for number, name in enumerate(progress.places())})


def odd_string(rng):
    body = changed(rng, base64.urlsafe_b64decode(STRING.partition("-")[2] + "=="))
    whole = base64.urlsafe_b64encode(body + progress.checksum(body)).decode().rstrip("=")
    others = (
        None, b"x", 5, "", "hfedu1-", f"hfedu{'1' * rng.randint(1, 6000)}-AAAA", f"hfedu1-{'A' * rng.randint(0, 300)}",
        "hfedu1-\n", "hfedu٣-AAAA", f"hfedu1-{'=' * 9}",
    )  # fmt: skip
    return rng.choice((changed(rng, STRING.encode()).decode("latin-1"), f"hfedu1-{whole}", rng.choice(others)))


@pytest.mark.parametrize("seed", ROUNDS)
def test_any_progress_string(seed):
    rng = random.Random(seed)
    for _ in range(2000):
        text = odd_string(rng)
        said(lambda text=text: progress.decode(text))


@pytest.mark.slow
def test_a_long_progress_string_takes_no_long_numbers():
    for letter in "Ag_":
        with pytest.raises(Mistake, match="damaged"):
            progress.decode(f"hfedu1-{letter * 4_000_000}")
    body = b"\1" * 3_000_000
    whole = base64.urlsafe_b64encode(body + progress.checksum(body)).decode().rstrip("=")
    with pytest.raises(Mistake, match="newer"):
        progress.decode(f"hfedu1-{whole}")


def odd_elf(rng):
    count = rng.randint(0, 4)
    head = struct.pack(
        "<HHIQQQIHHHHHH", rng.choice((2, 3, 1)), 183, 1, rng.choice((0x1000, 0, 2**64 - 4, rng.getrandbits(64))),
        rng.choice((64, 0, 2**63, 2**64 - 1, 100)), 0, 0, 64, rng.choice((56, 0, 1, 65535)),
        rng.choice((count, 65535, 0)), 0, 0, 0,
    )  # fmt: skip
    content = b"\x7fELF\2\1\1" + bytes(9) + head
    for _ in range(count):
        places = (rng.choice((0, 0x1000, 0xFFF, 2**64 - 4096, 2**63, rng.getrandbits(64))) for _ in range(2))
        sizes = (rng.choice((32, 0, 2**63, rng.getrandbits(20))), rng.choice((32, 0, 4096, 2**64 - 1)))
        content += struct.pack("<IIQQQQQQ", rng.choice((1, 1, 2)), 5, rng.choice((0, 64, 2**63)), *places, *sizes, 4096)
    return content + CODE * 8


@pytest.mark.parametrize("seed", ROUNDS)
def test_any_elf_file(seed):
    rng = random.Random(seed)
    for _ in range(2000):
        content = odd_elf(rng)
        content = b"\x7fELF" + changed(rng, content)[4:] if rng.random() < 0.6 else content
        said(lambda content=content: flat(content, "it"))


def test_an_elf_file_of_many_headers_of_no_size_is_damaged():
    content = bytearray(4 << 20)
    head = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 64, 0, 0, 64, 0, 65535, 0, 0, 0)
    content[:64] = b"\x7fELF\2\1\1" + bytes(9) + head
    content[64:120] = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 4 << 20, 4 << 20, 4096)
    with pytest.raises(Mistake, match="cut short"):
        flat(bytes(content), "it")
    content[54:56] = struct.pack("<H", 56)
    for n in range(65535):
        content[64 + 56 * n : 120 + 56 * n] = content[64:120]
    with pytest.raises(Mistake, match="damaged"):
        flat(bytes(content), "it")


LISTS = (
    b"524288 1 echo\n", b"9999999999999999999999999 1 echo\n", b"-1 1 echo\n", b"524288 4294967296 echo",
    b"524288 99999999999 echo\n" * 20, b"1 1 vmlinuz\n524288 0 echo\n0 0 vms.txt\n", b"4096 1 initrd.img\n" * 30,
    b"524288 1 \xff\xfe\x1b[31m\n", b"524288\0001 echo\n", b" " * 4000,
)  # fmt: skip


def odd_disk(rng):
    guests = [hfedu.asset(name).read_bytes() for name in ("pingpong_primary.bin", "echo.bin")]
    names = [("vmlinuz", guests[0]), ("initrd.img", b""), ("vms.txt", rng.choice(LISTS)), ("echo", guests[1])]
    content = b"".join(cpio_entry(*each) for each in (*names, ("\x1b[31m", b""), ("TRAILER!!!", b"")))
    return changed(rng, content) if rng.random() < 0.7 else content


def shown(run):
    """All that is shown of a run."""
    assert run.outcome.sentence.isprintable()
    text = run.transcript()
    assert all(line.isprintable() for line in text.splitlines())
    if run.events:
        assert all(line.isprintable() for line in run.render("mmd").decode().splitlines())
        assert not re.search("[\0-\b\v-\x1f\x7f]", run.to_html())
        xml.etree.ElementTree.fromstring(run.render("svg", 0, 10))


@pytest.mark.slow
@pytest.mark.parametrize("seed", ROUNDS)
def test_any_ram_disk(seed):
    rng = random.Random(seed)
    for n in range(60):
        options = {"cpus": rng.choice((1, 2)), "profile": rng.choice(("2018-10-04", "fixed", "rpc"))}
        content = odd_disk(rng)

        def boot(content=content, options=options):
            limits = {"max_traps": 100, "max_instructions": 10**6}
            return Machine(RamDisk.from_bytes(content), **limits, **options).run()

        run = said(boot)
        if run is not None and n % 20 == 0:
            shown(run)


@pytest.mark.parametrize("append", ["\ud800", "x\udcff", "\0", EVIL, "x" * 70_000, "a=" * 100, "é", None, b"x", 3])
def test_any_boot_arguments(append):
    run = said(lambda: hfedu.boot(DISK, append))
    assert run is None or run.outcome.kind == "power off"


OWN_EXPLORATIONS = """
class Found:
    violations, complete = [], True
    def __str__(self): return "all\\x1b[2J is\\x07 well"
def gives(): return Found()
def raises(): raise ValueError("\\x1b]0;owned\\x07\\nhfedu: all is well")
"""


def boots(name, vms=b""):
    files = [("vmlinuz", CODE), ("initrd.img", b""), (name, CODE), ("vms.txt", vms)]
    disk = b"".join(cpio_entry(*each) for each in files) + cpio_entry("TRAILER!!!", b"")
    return RamDisk.from_bytes(disk)


def test_control_characters_of_names_and_titles_are_never_shown():
    name = "\x1b[31mred\x07"
    run = hfedu.boot(boots(name, b"524288 1 \x1b[31mred\x07\n"), title=EVIL, max_instructions=1000)
    assert "\x1b" in run.uart, "the serial line is what it is"
    shown(run)
    over = boots(name, b"20000000000000000 1 \x1b[31mred\x07\n")
    shown(hfedu.boot(over, max_instructions=1000))


def test_control_characters_of_messages_are_never_shown():
    def talks():
        yield hfedu.configure()
        yield hfedu.vcpu_run(1)
        yield hfedu.send(1, EVIL.encode())
        yield hfedu.vcpu_run(1)
        yield hfedu.print_line(EVIL.encode())

    shown(hfedu.boot(RamDisk(talks, [waits]), title="\x1b[31m"))


@pytest.mark.slow
def test_control_characters_never_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "evil.img"
    path.write_bytes(cpio_entry("\x1b]0;owned\x07\nhfedu: all is well", b"") + cpio_entry("vms.txt", b""))
    own = tmp_path / "own.py"
    own.write_text(OWN_EXPLORATIONS)
    (tmp_path / EVIL).mkdir()
    (tmp_path / EVIL / f"{EVIL}.ipynb").write_bytes(book_with([checking("05-decode", RIGHT_DECODE)]))
    for command in (
        ["boot", str(path)],
        ["boot", f"{tmp_path}/\x1b[2J"],
        ["\x1b[2J"],
        ["boot", str(path), "--profile", "\x1b"],
        ["draw", str(path), "-o", f"{tmp_path}/\x1b[2J.svg"],
        ["explore", "\x1b[2J"],
        ["explore", f"{own}:raises"],
        ["explore", f"{own}:gives"],
        ["explore", f"{own}:\x1b[2J"],
        ["explore", "regs-race", "--max-states", "9", "--html", f"{tmp_path}/{EVIL}.html"],
        ["course", "slides", "05", "-o", f"{tmp_path}/{EVIL}.html"],
        ["course", "worksheet", "05", "-o", f"{tmp_path}/{EVIL}.html"],
        ["course", "worksheet", "05", "-o", f"{tmp_path}/{EVIL}"],
        ["course", "grade", f"{tmp_path}/{EVIL}"],
        ["course", "check", f"{tmp_path}/{EVIL}"],
        ["course", "start", f"{tmp_path}/{EVIL}/copies"],
    ):
        with suppress(SystemExit):
            cli.main(command)
        said = "".join(capsys.readouterr())
        assert said
        assert all(line.isprintable() for line in re.split("[\r\n]", said))
        assert "\nhfedu: all is well" not in said


@pytest.mark.parametrize(
    "command",
    [
        ["boot", "{disk}", "--max-instructions", "{long}"],
        ["boot", "{disk}", "--schedule", "{long}"],
        ["boot", "{disk}", "--profile", "{long}"],
        ["draw", "{disk}", "-o", "run.svg", "--events", "0:{long}"],
        ["draw", "{disk}", "-o", "{long}.svg"],
        ["explore", "{long}"],
        ["explore", "regs-race", "--max-states", "9", "--html", "{long}"],
        ["course", "plan", "{long}"],
        ["course", "worksheet", "05", "--for", "{long}"],
        ["course", "grade", "{long}"],
        ["{long}"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_one_line_however_long_it_is(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.img").write_bytes(DISK.image)
    with suppress(SystemExit):
        assert cli.main([each.format(disk="disk.img", long="9" * 5000) for each in command]) == 2
    said = capsys.readouterr().err
    assert said.startswith("hfedu: ")
    assert said.count("\n") == 1
    assert len(said) < 2200


def test_a_measurement_of_a_disk_that_never_ends_says_so(tmp_path, monkeypatch, capsys):
    from hfedu import bench

    (tmp_path / "spins.img").write_bytes(RamDisk(CODE).image)
    monkeypatch.setattr(bench, "boot", lambda disk, **how: hfedu.boot(disk, max_instructions=100, **how))
    assert cli.main(["bench", str(tmp_path / "spins.img")]) == 2
    assert "this one did not end: The guests used up their 100 instructions." in capsys.readouterr().err


def test_printable_leaves_what_can_be_shown():
    assert printable("“Grüße” 日本 ✓") == "“Grüße” 日本 ✓"
    assert printable(EVIL) == "a?]0;owned??[2Jb??c?"


WRONG = [None, True, -1, 1.5, 10**30, "x", "\ud800", b"x", [], [[]], {}, object(), len, float("nan"), EVIL, RUN, int]
SCENARIO = Scenario("s", "It says something.", primary, (waits,), (waits,))
CALLS = {
    "boot": lambda odd: hfedu.boot(odd),
    "boot memory": lambda odd: hfedu.boot(DISK, memory=odd, max_traps=10),
    "RamDisk": lambda odd: RamDisk(odd),
    "RamDisk secondaries": lambda odd: RamDisk(CODE, odd),
    "RamDisk initrd": lambda odd: RamDisk(CODE, initrd=odd),
    "Secondary": lambda odd: RamDisk(CODE, [Secondary(odd)]),
    "Secondary memory": lambda odd: RamDisk(CODE, [Secondary(CODE, odd)]),
    "Secondary vcpus": lambda odd: RamDisk(CODE, [Secondary(CODE, vcpus=odd)]),
    "Secondary name": lambda odd: RamDisk(CODE, [Secondary(CODE, name=odd)]),
    "replay": lambda odd: hfedu.replay(odd, DISK),
    "replay disk": lambda odd: hfedu.replay(TOKEN, odd),
    "player": lambda odd: RUN.player(odd),
    "to_html": lambda odd: RUN.to_html(odd),
    "draw": lambda odd: RUN.draw(odd),
    "render": lambda odd: RUN.render(odd),
    "render first": lambda odd: RUN.render("txt", odd),
    "render last": lambda odd: RUN.render("txt", 0, odd),
    "render theme": lambda odd: RUN.render("svg", theme=odd),
    "compare": lambda odd: RUN.compare(odd),
    "steps": lambda odd: RUN.steps(odd),
    "instructions": lambda odd: RUN.instructions(odd),
    "why": lambda odd: RUN.why(odd),
    "source": lambda odd: RUN.source(odd),
    "explore": lambda odd: hfedu.explore(odd),
    "explore invariants": lambda odd: hfedu.explore(SCENARIO, odd),
    "explore cpus": lambda odd: hfedu.explore(SCENARIO, cpus=odd),
    "explore max_states": lambda odd: hfedu.explore(SCENARIO, cpus=1, max_states=odd),
    "check": lambda odd: hfedu.check(odd),
    "check answer": lambda odd: hfedu.check("05-decode", odd),
    "hint": lambda odd: hfedu.hint(odd),
    "hint number": lambda odd: hfedu.hint("05-decode", odd),
    "solution": lambda odd: hfedu.solution(odd),
    "arrange": lambda odd: hfedu.arrange(odd),
    "predict": lambda odd: hfedu.predict(odd),
    "progress": lambda odd: hfedu.progress(odd),
    "demonstrate": lambda odd: hfedu.demonstrate(odd),
    "asset": lambda odd: hfedu.asset(odd),
    "playground": lambda odd: hfedu.playground(odd),
    "hypercalls": lambda odd: hfedu.hypercalls(odd),
}
OPTIONS = (
    "append", "cpus", "schedule", "timer", "max_seconds", "max_instructions", "profile", "fixes", "changes", "title",
)  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_any_type_anywhere_is_a_result_or_a_sentence(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HFEDU_PROGRESS", "")
    for odd in WRONG:
        said(lambda odd=odd: CALLS[call](odd))


@pytest.mark.parametrize("option", OPTIONS)
def test_any_type_of_option_is_a_result_or_a_sentence(option):
    for odd in WRONG:
        said(lambda odd=odd: hfedu.boot(DISK, **{"max_traps": 20, option: odd}))


MISSPELT = {
    "'titel', did you mean 'title'": lambda: hfedu.boot(DISK, titel="x"),
    "Machine has no option 'cpu_s', did you mean 'cpus'": lambda: Machine(DISK, cpu_s=2),
    "'max_trap', did you mean 'max_traps'": lambda: hfedu.playground(max_trap=3),
    "RamDisk has no option 'secondary', did you mean": lambda: RamDisk(CODE, secondary=[CODE]),
    "Secondary has no option 'vcpu', did you mean 'vcpus'": lambda: Secondary(CODE, vcpu=2),
    "Scenario has no option 'setups', did you mean 'setup'": lambda: Scenario("x", "X.", setups=primary),
    "draw has no option 'them', did you mean 'theme'": lambda: RUN.draw("x.svg", them="dark"),
    "'max_second', did you mean 'max_seconds'": lambda: hfedu.replay(TOKEN, DISK, max_second=3),
    "solution has no option 'shows', did you mean 'show'": lambda: hfedu.solution("05-decode", shows=True),
    "to_html has no option 'pos'": lambda: RUN.to_html(pos=3),
    "missing a required argument: 'ramdisk'": lambda: hfedu.boot(),
    "too many positional arguments": lambda: hfedu.hint("05-decode", 1, "Ada", 2),
}


@pytest.mark.parametrize("sentence", MISSPELT)
def test_a_misspelt_option_is_told_with_the_nearest_right_name(sentence):
    with pytest.raises(Mistake, match=sentence):
        MISSPELT[sentence]()


def test_a_type_error_of_ones_own_script_stays_one():
    def script():
        yield hfedu.configure()
        len(3)

    with pytest.raises(TypeError, match="has no len"):
        hfedu.boot(RamDisk(script))


@pytest.mark.parametrize("end", [SystemExit, SystemExit(3), GeneratorExit, RecursionError])
def test_an_answer_that_leaves_is_a_verdict(end, monkeypatch):
    monkeypatch.setenv("HFEDU_PROGRESS", "")

    def answer(value):
        raise end

    assert hfedu.check("05-decode", answer).state == "crashed"


def test_the_page_may_run_its_own_script_only_and_shows_the_text_where_it_may_not():
    page = RUN.to_html()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert page.index("Content-Security-Policy") < page.index("<script")
    text = re.search(r'<div id="text">.*?</div>', page, re.DOTALL)[0]
    assert "VM 0 vCPU 0 calls" in text
    assert 'getElementById("text").remove()' in script


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("after", [1, 20])
def test_a_first_picture_that_is_interrupted_does_no_harm_to_later_ones(after):
    code = f"""
import builtins, os, signal, sys, hfedu
from hfedu import RamDisk
run, real, left = hfedu.boot(RamDisk(b"\\0\\0\\0\\x14"), max_instructions=9), builtins.__import__, [{after}]
def slow(name, *rest):
    if name.startswith("numpy"):
        left[0] -= 1
        if left[0] == 0: os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest)
builtins.__import__ = slow
try: run.render("png")
except KeyboardInterrupt: print("interrupted")
print(len(run.render("png")) > 100)
"""
    root = str(Path(hfedu.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["interrupted", "True"], done.stderr


def test_vms_without_a_page_for_their_table_are_shown():
    disk = RamDisk.from_bytes(RamDisk(CODE, [CODE] * 15).image)
    run = hfedu.boot(disk, memory="64M", max_instructions=1000)
    shown(run)
    for vm in range(16):
        said(lambda vm=vm: repr(run.stage2(vm)))
        said(lambda vm=vm: repr(run.walk(vm, 0x4000_0000)))
