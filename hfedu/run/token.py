"""Sharing a run: a short text that makes it again, on another computer, event by event, or says what differs.

    hfedu1.<base64url of: CRC-32 of the JSON, then the JSON deflated>

The JSON is a list: version, digest of the RAM disk, options of `Machine`, the sentence of a violation or null, the
number of events, and checks: the beginning of a running hash of the events at up to 32 places. The digest covers the
image and how many scripts there are; what scripts do is Python's, and is judged by the events.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import hfedu
from hfedu.errors import Mistake
from hfedu.files import json_of
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, parse_size
from hfedu.run.recording import Event, Outcome, Recording

PREFIX = "hfedu1."
PLACES, DIGITS, LONGEST_FACTS = 32, 4, 1 << 20
USUAL = {
    "append": "", "memory": "16M", "cpus": 1, "schedule": "every 1", "timer": None, "clock": "instructions",
    "stdin": "", "heap_pages": 39, "max_instructions": None,
    "max_traps": 100000, "profile": "2018-10-04", "fixes": [], "title": "RAM disk",
}  # fmt: skip
"""The options that a token holds, and what they usually are: deflate finds that in the dictionary."""
TOO_MUCH = "the token asks for {} of memory: if you trust whoever gave it to you, allow it with max_memory="
TOKEN_TOO_LONG = (
    "the token's run was not over after {:g} seconds: if you trust whoever gave it to you, allow more with max_seconds="
)
DICTIONARY = json.dumps(["0.1.0", USUAL, None]).encode()


def token(recording: Recording) -> str:
    """The run as a short text, from which `hfedu.replay` makes it again. `Mistake` if it cannot be repeated.

    The clock is no part of it: what `max_seconds` stopped has no token, and a replay has no limit of time.
    """
    made, outcome = recording.made, recording.outcome
    if not made or not recording.events or outcome.kind == "running":
        raise Mistake("only a run that was recorded to its end has a token: run the machine to the end, and record it")
    if made["changes"]:
        raise Mistake(
            "a token cannot hold classes of your own, and this run has changes: give away the notebook instead"
        )
    if made["memory_model"] != "sc":
        raise Mistake("a token cannot hold a run with store buffers: give away the notebook instead")
    if any(event.kind is Kind.ACCESS for event in recording.events):
        raise Mistake("a token cannot hold the two accesses of a race: give away the notebook instead")
    if outcome.by_clock:
        raise Mistake(
            "the clock stopped this run, and would stop it elsewhere next time: limit it by max_traps or "
            "max_instructions instead of max_seconds, and it has a token"
        )
    if made["clock"] != "instructions" or not isinstance(made["stdin"], bytes):
        raise Mistake(
            "the clock of this run is the host's, or its input came from outside, and both are others next time: use "
            'clock="instructions" and stdin= with the bytes, and it has a token'
        )
    ended = outcome.sentence if outcome.kind == "violation" else None
    count = len(recording.events)
    options = {name: made[name] for name in USUAL} | {"stdin": made["stdin"].decode("latin-1")}
    checked = checks(recording.events, count)
    facts = json.dumps([hfedu.__version__, digest(made["ramdisk"]), options, ended, count, checked]).encode()
    deflate = zlib.compressobj(9, wbits=-15, zdict=DICTIONARY)
    packed = zlib.crc32(facts).to_bytes(4, "big") + deflate.compress(facts) + deflate.flush()
    return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def replay(
    text: str,
    ramdisk: Any,
    machine_type: type[Machine] = Machine,
    *,
    max_seconds: float | None = None,
    max_memory: int | str | None = None,
) -> Recording:
    """The run of a token, made again; `ramdisk` as for `Machine`. `Mistake` that says what differs if anything does.

    It may take so many seconds, and have so much memory.
    """
    version, disk, options, ended, count, checked = unpack(text)
    if version != hfedu.__version__:
        raise Mistake(f"the token was made by hfedu {version} and this is {hfedu.__version__}: install that version")
    if max_memory is not None and parse_size(options["memory"]) > parse_size(max_memory):
        raise Mistake(TOO_MUCH.format(options["memory"]))
    options |= {"stdin": options["stdin"].encode("latin-1", "replace")}
    machine = machine_type(ramdisk, **options, max_seconds=max_seconds)
    if digest(machine.ramdisk) != disk:
        raise Mistake("the token was made with another RAM disk: give the one that it was made with")
    machine.budget.traps = min(machine.budget.traps or count + 1, count + 1)  # a run that fits has no more traps
    if ended is not None:
        for _ in options["schedule"]:
            if not machine.step():
                break
        if machine.outcome is None or not machine.outcome.by_clock:
            machine.end(Outcome("violation", ended, 4))
    recording = machine.run()
    if recording.outcome.by_clock:
        raise Mistake(TOKEN_TOO_LONG.format(max_seconds))
    again, step = checks(recording.events, count), -(-count // PLACES)
    if again != checked or len(recording.events) != count:
        places = range(0, len(checked), DIGITS)
        same = next((i // DIGITS for i in places if again[i : i + DIGITS] != checked[i : i + DIGITS]), PLACES)
        first, last = min(same * step, count), min((same + 1) * step, count) - 1
        where = f"event {first}" if first >= last else f"one of the events {first} to {last}"
        raise Mistake(
            f"the same RAM disk made another run: the first event that differs is {where} of the token's {count}. "
            "Give the scripts that it was made with"
        )
    return recording


def unpack(text: str) -> list[Any]:
    """What a token says. `Mistake` if it is none, or damaged."""
    if not isinstance(text, str) or not text.strip().startswith(PREFIX):
        raise Mistake(f"{str(text)[:20]!r} begins no token of a run: a token begins with {PREFIX}")
    body, inflate = "".join(text.split())[len(PREFIX) :], zlib.decompressobj(wbits=-15, zdict=DICTIONARY)
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
        facts = inflate.decompress(packed[4:], LONGEST_FACTS)
    except (ValueError, zlib.error):
        packed, facts = b"", b""
    whole = inflate.eof and not inflate.unused_data
    unpacked: Any = None
    with suppress(ValueError):
        unpacked = json_of(facts) if whole and zlib.crc32(facts) == int.from_bytes(packed[:4], "big") else None
    if not is_token(unpacked):
        raise Mistake("the token is damaged: copy it again, from its first letter to its last")
    found: list[Any] = unpacked
    return found


def is_token(facts: Any) -> bool:
    """Whether these are the facts of a run, by their kinds. What the options say, `Machine` looks at."""
    if not isinstance(facts, list) or len(facts) != 6:
        return False
    version, disk, options, ended, count, checked = facts
    texts = all(isinstance(text, str) for text in (version, disk, checked))
    if not texts or not isinstance(options, dict) or set(options) != set(USUAL):
        return False
    if type(count) is not int or count < 1 or not all(isinstance(options[name], str) for name in ("title", "stdin")):
        return False
    return ended is None or (isinstance(ended, str) and isinstance(options["schedule"], list))


def digest(ramdisk: RamDisk) -> str:
    """What tells RAM disks apart."""
    scripts = sorted((name, len(scripts)) for name, scripts in ramdisk.scripts.items())
    return hashlib.sha256(ramdisk.image + repr(scripts).encode()).hexdigest()[:16]


def checks(events: Sequence[Event], count: int) -> str:
    """The beginning of a running hash after each of up to 32 equal parts of `count` events."""
    running, step, found = hashlib.sha256(), -(-count // PLACES), ""
    for begin in range(0, count, step):
        part = events[begin : min(begin + step, count)]
        running.update("".join(repr(tuple(event)) for event in part).encode())
        found += running.hexdigest()[:DIGITS]
    return found
