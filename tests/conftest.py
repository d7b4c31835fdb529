"""The recorded runs of the real hypervisor, unpacked once per test process, and a quick start for one test."""

import gc
import io
import json
import signal
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ARCHIVES = [Path(__file__).parent / name for name in ("recordings.tar.xz", "board.tar.xz")]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job ignores interrupts, which tests send
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session):
    """Hypothesis' plugin would import all of hypothesis for its summary, also after tests that do not use it.

    And 7,000 tests are no garbage: what is freed for good by looking for some need not look at them each time.
    """
    if "hypothesis" not in sys.modules:
        session.config.pluginmanager.unregister(name="hypothesispytest")
    gc.freeze()


def pytest_collection_modifyitems(items):
    """`make quick` tries each test with its first value only."""
    tried = set()
    for item in items:
        test = item.path, getattr(item, "originalname", item.name), item.cls
        if test in tried:
            item.add_marker(pytest.mark.slow)
        elif not item.get_closest_marker("slow"):
            tried.add(test)


INDEX = {"runs": "index.json", "faults": "faults/faults.json", "board": "board/index.json"}


class Recorded(NamedTuple):
    """One run of the real thing: its RAM disk, its serial output, and what index.json or faults.json says of it."""

    name: str
    initrd: bytes
    uart: bytes
    about: dict

    @property
    def memory(self) -> int:
        return self.about.get("mem_mb", 16) << 20


@cache
def archive() -> dict[str, bytes]:
    import tarfile

    files = {}
    for path in ARCHIVES:
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes()), mode="r:xz") as tar:
            files |= {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
    return files


@cache
def recorded(kind: str) -> tuple[Recorded, ...]:
    """kind: "runs", "faults", or "board": runs of the loader and the board with odd RAM disks."""
    files = archive()
    index = json.loads(files[INDEX[kind]])
    return tuple(
        Recorded(
            about["name"], files[f"{kind}/{about['name']}/initrd.img"], files[f"{kind}/{about['name']}/uart.txt"], about
        )
        for about in index
    )


def one(name: str) -> Recorded:
    """The recorded run of that name."""
    return next(run for kind in INDEX for run in recorded(kind) if run.name == name)
