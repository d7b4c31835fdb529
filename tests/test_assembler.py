"""The assembler for where no compiler is, against the compilers: the same bytes, or a sentence."""

import re
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_a64_text import GROUPS

import hfedu
from hfedu import Mistake, RamDisk
from hfedu.course.exercises import exercises, judge
from hfedu.course.predictions import predictions
from hfedu.errors import Trouble
from hfedu.guest import toolchain
from hfedu.guest.a64_text import text_of_instruction
from hfedu.guest.a64_words import encoders, operands
from hfedu.guest.assembler import LARGEST_IMAGE, assembled

TO_A_PLACE = re.compile(r"^(b|bl|b\.\w\w|cbn?z|tbn?z|adr|ldr|ldrsw) ((?:\w+, )*(?:#\w+, )?)(#\w+)$")
NEWER = ("bfc",)
"""What some compilers know in a later version of the architecture only."""
PROGRAMS = [
    '.ascii "a\\n\\"b;//x", "c"\n.asciz "é"\n.balign 4\nnop // x\n/* a\n b */ wfi; nop',
    ".skip 3\n.balign 8\nnop\n.p2align 4\nnop\n.align 3\nnop",
    ".equ N, 5\n.set M, N*2+1\nmov x0, #N\nmov x1, #M\nK = 7\nmov x2, #K<<4",
    "1: nop\nb 1b\nb 1f\n1: cbz x0, 1b\nb 1b",
    ".byte 1, 2, 'A', 0x10\n.hword 3\n.balign 4\n.word 4, -1\n.quad 5, lab\nlab: nop",
    "adr x0, send_page\nadr x1, recv_page + 16\nadrp x2, stack_top\nadrp x3, a\nadd x3, x3, :lo12:a\na: nop",
    (
        "mov x0, sp\nmov sp, x1\nadd sp, sp, #16\nsub sp, sp, #-16\nadd x0, x1, #0x3000\ncmp x0, #-5\n"
        "add x0, x0, #-4096\nmov x3, #-1\nmov w3, #-2\nmov x4, #0xffffffff\nmov w5, #0xaaaaaaaa\n"
        "mov x6, #~0xff"
    ),
    (
        "ldr x0, [x1, #-8]\nldr x0, [x1, 8]\nstr w0, [sp, #4]!\nldr x0, [x1], 8\nldr x0, [x1, x2, lsl #3]\n"
        "ldrb w0, [x1, w2, sxtw]\nldrh w0, [x1, w2, uxtw #1]\nldp x0, x1, [sp], #16\n"
        "stp w0, w1, [x2, #-8]!\nldr x0, [x1, #3]"
    ),
    "b.cs 1f\nb.cc 1f\nbeq 1f\nbne 1f\nb.al 1f\n1: nop\ncset x0, cs\ncsel x0, x1, x2, cc",
    (
        "mrs x0, CurrentEL\nmsr daifset, #2\nmsr DAIFClr, #15\nmrs x1, s3_0_c1_c0_0\nmsr SPSel, #1\n"
        "msr vbar_el1, x0\nisb\ndsb sy\ndsb ish\nisb sy\nret\nret x3\neret"
    ),
    (
        "tst x0, #1\nands x0, x0, #0xff\nbic x0, x0, #0xf\neor w0, w1, #~1\nneg x0, x1\nmvn w0, w1\n"
        "mvn x0, x1, lsl #3\nror x0, x1, #3\nlsl w0, w1, #31\nlsr x0, x1, x2\nuxtb w0, w1\nsxtw x0, w1\n"
        "add x0, x1, w2, uxtw #2\nadd x0, sp, x1\nadd x0, x1, x2, lsl #5\nmul x0, x1, x2\n"
        "umull x0, w1, w2\nudiv w0, w1, w2"
    ),
    "MOV X0, #1\nHVC #0\nLdr W1, [X2]\nadd lr, lr, #1\nstr fp, [sp]",
    (
        ".global _start\n_start: .text\nnop\nmov x0, #'a'\nmov x1, #'\\n'\nmov w2, #010\nmov w3, #0b101\n"
        "mov x4, (1+2)*3\nmov x5, #(end-_start)\nend:"
    ),
    "nop\n.fill 3, 2, 7\n.fill 2\n.space 4, 0xff\n.zero 4\n.balign 16, 0\nnop",
    "b .\nb . + 8\ncbz x1, . - 4\nadr x0, .",
    (
        "ldxr x0, [x1]\nstxr w2, x0, [x1]\nldaxrb w0, [x1]\nstlxrh w3, w0, [x1]\nldar x0, [x1]\n"
        "stlr w0, [x1]\nldxp x0, x1, [x2]\nstlxp w4, x0, x1, [x2]\nldrsw x0, [x1]\nldrsb w0, [x1, #1]\n"
        "ldur x0, [x1, #-1]\nldtr x0, [x1]"
    ),
    "nop\r\nwfi\r\n",
    "a:b:c: nop",
    "\tnop\t\n  wfi  ",
    ".word 1;.word 2",
    "nop // it's\nnop // \"x",
    "# a comment\nnop",
    '.string "a\\x41\\101\\t"',
    ".quad stack_top, send_page, recv_page",
    "movz x0, #1, lsl #48\nmovk x0, #0xffff\nmovn w1, #3, lsl #16",
    "ccmp x0, #3, #4, ne\nccmn w0, w1, #0, al\ncinc x0, x1, eq\ncsetm w0, ne",
    (
        "bfi x0, x1, #3, #4\nubfx w0, w1, #3, #4\nsbfiz x0, x1, #60, #4\nextr x0, x1, x2, #5\n"
        "bfxil x0, x1, #1, #2\nclz x0, x1\nrev w0, w1\nrev x0, x1\nrev32 x0, x1\nrev16 w0, w1\nrbit x0, x1"
    ),
    "tbz x0, #33, 1f\ntbnz w1, #3, 1f\n1: br x0\nblr x1\nbl 1b\nsvc #1\nsmc #0\nbrk #0x10",
    ("cmp sp, #3\ncmp x0, w1, uxtb\ncmn w0, w1, lsl #3\nsubs x0, sp, x1, uxtx #2\nadds w0, wsp, #1\ncmp w0, #'A'"),
    "tlbi vmalle1\nic iallu\ndmb ish\nwfe\nsev\nyield",
    (
        "mov w0, #0xffff0000\nmov x0, #0xffff000000000000\nmov x0, #0x10000\nmov w0, wzr\nmov x0, xzr\n"
        "mov wsp, w1\norr x0, xzr, #1\nmov x0, #0"
    ),
]
"""All that it knows of directives, expressions, labels, operands and comments."""
REFUSED = {
    "frobnicate x0": "line 1: 'frobnicate' is no instruction",
    "nop\nmov x0, lable\nlabel: nop": "line 2: undefined symbol: lable, did you mean 'label'",
    "nop\n\nb lable\nlabel: nop": "line 3: undefined symbol: lable, did you mean 'label'",
    "a: nop\na: nop": "line 2: symbol 'a' is already defined",
    "mov x0, #0x12345": "no mov makes #0x12345: take movz and movk",
    "add x0, x1": "add does not take “x0, x1”",
    "add x0, x1, #5000": "0x1388 is out of range",
    "add x0, w1, #5": "not of one width",
    "mov x0, x31": "undefined symbol: x31",
    "ldr x0, [w1]": "w1 should be a register of 64 bits",
    "ldrb x0, [x1]": "x0 is of another width",
    "ldr x0, [x1, #0x10000]": "out of range",
    "nop\nmov x0, label\nlabel: nop": "line 2: “label” is an address, and no constant",
    ".skip N\nlabel: nop\n.equ N, 4": "line 2: where label is depends on",
    "b 2f\n1: nop": "no label 2 below",
    "b . + 2": "0x2 is out of range",
    "b 16": "“16” is no label",
    "and x0, x1, #5": "is no mask",
    "mov x0, #1/0": "divided by 0",
    "mov x0, #1<<99": "shifted by 99 bits",
    "mov x0, #(1": "is no number and no symbol",
    "mov x0, #__import__('os')": "is no number and no symbol",
    "mov x0, #" + "-" * 100_000 + "1": "line 1: ",
    ".quad " + "+".join("1" * 5000): "line 1: ",
    ".byte 1\nnop": "line 2: an instruction stands at a multiple of 4 bytes",
    ".data\n.word 1": "line 1: .data is no directive that is known here",
    ".rept 3\nnop\n.endr": ".rept is no directive",
    ".skip -1": "-1 is out of range",
    f".skip {LARGEST_IMAGE + 1}": "out of range",
    f".skip {LARGEST_IMAGE}\n.skip {LARGEST_IMAGE}": "the program is larger than 16 MiB",
    ".balign 99999999999": "out of range",
    '.ascii "open': "no text in quotes",
    '.incbin "x"': "is no directive",
    "mrs x0, nonsense": "is no register that can be read",
    "msr midr_el1, x0": "is no register that can be written",
    "nop ; /* open": "is no instruction",
    '1:2: "': "is no instruction",
    "": "has nothing to load",
    "// nothing": "has nothing to load",
    "mov x0, #\ud800": "line 1: ",
}


def with_place(text, pc=0):
    """An instruction's text as an assembler takes it: a place as a distance, a negative number as such."""
    text = re.sub(r"(\], )#(0xf{9}[0-9a-f]{7})$", lambda found: f"{found[1]}#{int(found[2], 0) - (1 << 64)}", text)
    found = TO_A_PLACE.match(text)
    if not found:
        return text
    apart = (int(found[3][1:], 0) - pc + (1 << 63)) % (1 << 64) - (1 << 63)
    return f"{found[1]} {found[2]}. + {apart}"


@st.composite
def some_words(draw):
    top, size, rest = draw(st.sampled_from(GROUPS)), draw(st.integers(0, 7)), draw(st.integers(0, (1 << 24) - 1))
    return (
        top << 24 | size << 29 | rest | draw(st.sampled_from([0, 0, 0x1F, 0x3E0, 0x3FF, 0x1F_0000, 0x1F_7C00]))
    ) & 0xFFFF_FFFF


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(words=st.lists(some_words(), min_size=60, max_size=60))
def test_what_has_a_name_is_assembled_to_what_has_that_name_and_as_compilers_do(words):
    texts = [text for word in words if (text := text_of_instruction(word, 0)) and not text.startswith("adrp")]
    mine = [struct.unpack("<I", assembled(with_place(text)))[0] for text in texts]
    assert [text_of_instruction(word, 0) for word in mine] == texts
    common = [(text, word) for text, word in zip(texts, mine, strict=True) if not text.startswith(NEWER)]
    theirs = hfedu.assemble("\n".join(["nop", *(with_place(text) for text, _ in common)]))
    assert list(struct.unpack(f"<{len(theirs) // 4}I", theirs))[1:] == [word for _, word in common]


def test_every_name_that_an_instruction_can_have_is_known():
    names = set()
    for high in range(1 << 14):
        for low in (0, 0x41, 0x3FF, 0x7C1F, 0xFC41, 0x1F_7FE0):
            text = text_of_instruction((high << 18 | low) & 0xFFFF_FFFF, 0)
            names |= {text.split()[0]} if text else set()
    known = set(encoders()) | {text.split()[0] for text in ("nop", "wfi", "eret", "isb", "dsb", "dmb", "tlbi", "ic")}
    assert len(names) > 100
    assert {name for name in names if not name.startswith("b.")} <= known


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_program_is_what_compilers_make_of_it(source):
    assert assembled(source) == bytes(hfedu.assemble(source))


def test_a_constant_lies_behind_the_program_or_where_it_is_told_to():
    """Some compilers make a small one without loading it, so it is not their bytes that count."""
    wanted = {0: 0x123456789ABCDEF, 4: 0x12345678, 8: 0x123456789ABCDEF, 12: 5, 16: 0xFFFF0000, 20: 0x48}
    registers = "x0 w1 x2 x3 w4 x5".split()
    lines = [f"ldr {name}, ={wanted[4 * at] if at < 5 else 'far'}" for at, name in enumerate(registers)]
    image = assembled("\n".join([*lines, "wfi", ".ltorg", "nop", "ldr x6, =0xabcdef123", "far: nop"]))
    for at, value in {**wanted, 0x44: 0xABCDEF123}.items():
        (word,) = struct.unpack_from("<I", image, at)
        size = {0x18: 4, 0x58: 8}[word >> 24]
        place = at + 4 * (word >> 5 & 0x7FFFF)
        assert place % size == 0
        assert int.from_bytes(image[place : place + size], "little") == value


@pytest.mark.slow
def test_all_assembly_of_the_lessons_is_what_compilers_make_of_it(monkeypatch):
    seen, image_of = {}, toolchain.image_of

    def noted(language, source, *more):
        image = image_of(language, source, *more)
        seen.update({source: bytes(image)} if language == "assembly" else {})
        return image

    monkeypatch.setattr(toolchain, "image_of", noted)
    for prediction in predictions().values():
        if prediction.id[:2] in ("01", "02", "13"):
            prediction.run()
    for exercise in exercises().values():
        answers = [exercise.solution, *(answer for answer, _ in exercise.wrong.values())]
        for answer in answers:
            if isinstance(answer, str) and "guest_main" not in answer:
                try:
                    noted("assembly", answer)
                except Mistake:
                    with pytest.raises(Mistake, match="does not compile"):
                        assembled(answer)
    assert len(seen) > 30
    for source, image in seen.items():
        assert assembled(source) == image, source


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:30])
def test_what_is_no_assembly_is_a_sentence_that_names_the_line(source):
    with pytest.raises(Mistake) as caught:
        assembled(source)
    assert REFUSED[source] in str(caught.value)
    assert "\n" not in str(caught.value)


PIECES = (
    "x0|w2|sp|wsp|xzr|#1|#4096|#-1|lsl #3|lsl #12|ror #2|sxtw|uxtw #2|eq|[x1]|[x1, #8]!|[sp], #4|[x1, x2]|x31".split(
        "|"
    )
)
PIECES += "#64|#-257|. + 8|. + 2|lr|#'a'||[|lsl|#x|,".split("|")


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_it_takes_compilers_take_and_what_they_refuse_it_refuses(data):
    """Instructions with operands that are changed, left out, added: no error but a sentence, and no word of its own."""
    taken = []
    for word in data.draw(st.lists(some_words(), min_size=40, max_size=40)):
        text = text_of_instruction(word, 0)
        if text is None or text.startswith((*NEWER, "adrp")):
            continue
        name, _, rest = with_place(text).partition(" ")
        ops = operands(rest)
        place = data.draw(st.integers(0, len(ops)))
        change = data.draw(st.sampled_from(["other", "more", "less"]))
        ops[place : place + (change != "more")] = [] if change == "less" else [data.draw(st.sampled_from(PIECES))]
        line = f"{name} {', '.join(ops)}"
        with suppress(Mistake):
            taken.append((line, assembled(line)))
    theirs = bytes(hfedu.assemble("\n".join(["nop", *(line for line, _ in taken)])))
    assert [theirs[4 * at : 4 * at + 4] for at in range(1, 1 + len(taken))] == [word for _, word in taken]


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(toolchain, "which", lambda name: None)
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)


def test_without_a_compiler_assembly_is_assembled_and_c_says_what_it_needs(no_compiler):
    run = hfedu.boot(RamDisk(hfedu.assemble("mov x0, #0xff01\nhvc #0\nwfi")), max_traps=3)
    assert "HF_VM_GET_COUNT" in run.transcript()
    with pytest.raises(Mistake, match="the assembly does not compile, line 2: 'hvd' is no instruction"):
        hfedu.assemble("nop\nhvd #0")
    with pytest.raises(Mistake, match=r"\.incbin"):
        hfedu.assemble('.incbin "/etc/passwd"')
    with pytest.raises(Trouble, match="C needs a compiler"):
        hfedu.compile_c("void guest_main(void) {}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01-sum", "02-fill", "04-again", "13-echo"])
def test_without_a_compiler_exercises_in_assembly_are_judged(no_compiler, name):
    exercise = exercises()[name]
    assert judge(exercise, exercise.solution)
    for how, (answer, piece) in exercise.wrong.items():
        verdict = judge(exercise, answer)
        assert (verdict.state, piece in verdict.sentence) == ("wrong", True), (how, verdict.sentence)
