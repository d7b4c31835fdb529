"""Instructions as text: as capstone has them, and without it."""

import struct
import sys

import pytest
from a64 import mov
from capstone import CS_ARCH_ARM64, CS_MODE_ARM, Cs
from conftest import one
from hypothesis import given, settings
from hypothesis import strategies as st

import hfedu
from hfedu import RamDisk
from hfedu.guest.a64_text import text_of_instruction

CAPSTONE = Cs(CS_ARCH_ARM64, CS_MODE_ARM)
IMAGES = ["echo.bin", "pingpong_primary.bin", "relay.bin", "relay_primary.bin"]


def by_capstone(word, pc):
    known = next(CAPSTONE.disasm_lite(struct.pack("<I", word), pc), None)
    return f"{known[2]} {known[3]}".strip() if known else None


def words_of(image):
    return struct.unpack_from(f"<{len(image) // 4}I", image)


@pytest.mark.parametrize("name", IMAGES)
def test_every_instruction_of_the_guests_that_come_with_hfedu_has_its_name(name):
    """Among their words are texts too, some of which would be instructions of vectors."""
    named = 0
    for index, word in enumerate(words_of(hfedu.asset(name).read_bytes())):
        text = text_of_instruction(word, 0x4008_0000 + 4 * index)
        assert text is None or text == by_capstone(word, 0x4008_0000 + 4 * index)
        named += text is not None
    assert named > 30


GROUPS = [
    0x08,
    0x0A,
    0x0B,
    0x10,
    0x11,
    0x12,
    0x13,
    0x14,
    0x18,
    0x1A,
    0x1B,
    0x28,
    0x29,
    0x34,
    0x35,
    0x36,
    0x37,
    0x38,
    0x39,
]
GROUPS += [0x54, 0xD4, 0xD5, 0xD6]


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(
    top=st.sampled_from(GROUPS), size=st.integers(0, 7), rest=st.integers(0, (1 << 24) - 1),
    zero=st.sampled_from([0, 0, 0x1F, 0x3E0, 0x3FF, 0x1F_0000, 0x1F_7C00]),
    pc=st.sampled_from([0, 0x4008_0000, 0x40F0_0FFC, (1 << 64) - 4]),
)  # fmt: skip
def test_what_has_a_name_has_the_name_that_capstone_gives_it(top, size, rest, zero, pc):
    word = (top << 24 | size << 29 | rest | zero) & 0xFFFF_FFFF
    text = text_of_instruction(word, pc)
    assert text is None or text == by_capstone(word, pc)


def test_the_depth_needs_no_capstone(monkeypatch):
    image = one("pingpong_20").initrd
    with_it = hfedu.boot(image).instructions(20).rows
    monkeypatch.setitem(sys.modules, "capstone", None)
    assert hfedu.boot(image).instructions(20).rows == with_it
    assert "hvc #0" in [row.code for row in with_it]


@pytest.mark.slow
def test_what_has_no_name_is_a_word_without_capstone_and_named_with_it(monkeypatch):
    vector = 0x4EA1_8400  # add v0.4s, v0.4s, v1.4s
    run = hfedu.boot(RamDisk(struct.pack("<5I", vector, *mov(0, 0x8400_0008), 0xD400_0002, 0x1400_0000)))
    first = next(event.seq for event in run.events if event.actor is not None and event.cpu == 0 and event.function)
    assert run.instructions(first)[0].text == "add v0.4s, v0.4s, v1.4s"
    monkeypatch.setitem(sys.modules, "capstone", None)
    assert run.instructions(first)[0].text == ".word 0x4ea18400"
