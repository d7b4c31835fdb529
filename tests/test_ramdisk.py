"""Building RAM disks: what could never boot is refused with a sentence, what the real loader takes is left to it."""

import xml.etree.ElementTree

import pytest

import hfedu
from hfedu import RamDisk, Secondary
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDiskError, cpio_entry

CODE = b"\x00\x00\x00\x14"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((b"",), "the image of the primary is empty"),
        (("/no/such/file",), "cannot read the image of the primary, /no/such/file: No such file"),
        ((CODE, [b""]), "the image of secondary 1 is empty"),
        ((CODE, [Secondary(CODE * 2000, memory="4K")]), "has 4096 bytes of memory and an image of 8000"),
        ((CODE, [Secondary(CODE, memory="lots")]), "secondary 1: 'lots' is no memory size"),
        ((CODE, [Secondary(CODE, name="two words")]), "cannot name a kernel"),
        (
            (CODE, [Secondary(CODE, name="a"), Secondary(CODE, name="a")]),
            "two files of the RAM disk would be called 'a'",
        ),
        ((CODE, [Secondary(CODE, vcpus=-1)]), "cannot have -1 vCPUs"),
        ((CODE, [Secondary(CODE, vcpus=9)]), "secondary 1 cannot have 9 vCPUs: give a number from 1 to 8"),
        ((CODE, [CODE] * 16), "Hafnium has room for 15 secondaries, not for 16: leave some out"),
    ],
)
def test_refused_with_a_sentence(arguments, says):
    with pytest.raises(RamDiskError, match=says):
        RamDisk(*arguments)


@pytest.mark.parametrize(
    ("secondaries", "says"),
    [
        (
            [Secondary(CODE, memory="12M"), Secondary(CODE, memory="8M")],
            r"cannot load vm2 \('Not enough memory \(8388608",
        ),
        (
            [CODE] * 15,
            r"cannot load vm5 \('Unable to initialise VM'\): .* its 39 pages of page tables suffice for about",
        ),
    ],
)
def test_more_vms_than_fit_are_refused_if_the_disk_was_built_here(secondaries, says):
    """In an archive as it is they are skipped with a log line, as by the real hypervisor."""
    disk = RamDisk(CODE, secondaries)
    log = Machine(RamDisk.from_bytes(disk.image), max_instructions=1000).run().uart
    with pytest.raises(RamDiskError, match=says):
        disk.check_loaded(log, 39)
    RamDisk.from_bytes(disk.image).check_loaded(log, 39)


def test_as_many_vms_and_vcpus_as_fit():
    disk = RamDisk(CODE, [Secondary(CODE, vcpus=8)] * 4)
    run = hfedu.boot(disk, max_instructions=1000)
    assert run.uart.count("Loaded with 8 vcpus") == 4
    disk.check_loaded(run.uart, 39)


@pytest.mark.parametrize(
    ("image", "says"),
    [(b"", "is empty"), (b"070701" + b"0" * 200, "ASCII cpio"), (b"short", "not one entry can be parsed")],
)
def test_what_is_no_archive(image, says):
    with pytest.raises(RamDiskError, match=says):
        hfedu.boot(image)


def boot(*files, append=()):
    archive = b"".join(cpio_entry(name, content) for name, content in files)
    return hfedu.boot(archive + b"".join(append), max_instructions=1000)


KERNEL, INITRD = ("vmlinuz", CODE), ("initrd.img", b"")


@pytest.mark.parametrize(
    ("files", "line", "status"),
    [
        ([INITRD], "Unable to find vmlinuz\nPanic: unable to load primary VM\n", 4),
        ([KERNEL], "Unable to find initrd.img\nPanic: unable to load primary VM\n", 4),
        ([KERNEL, INITRD], "vms.txt is missing\n", 3),
        ([KERNEL, INITRD, ("vms.txt", b"4096 1 none")], "Loading none\nUnable to load kernel\n", 3),
        (
            [KERNEL, INITRD, ("vms.txt", b"4096 1 big"), ("big", bytes(5000))],
            "Kernel is larger than available memory\n",
            3,
        ),
        ([KERNEL, INITRD, ("vms.txt", b"99999999 1 x"), ("x", CODE)], "Not enough memory (100003840 bytes)\n", 3),
    ],
)
def test_the_loader_answers_as_the_real_one(files, line, status):
    run = boot(*files)
    assert line in run.uart
    assert run.outcome.status == status


@pytest.mark.slow
def test_an_oversized_kernel_overwrites_the_ram_disk_and_hangs_the_hypervisor():
    """The copy reaches the RAM disk at 128 MiB; the loader then unmaps the pages it is about to read."""
    big = bytes(130 << 20)
    with pytest.raises(RamDiskError, match="would be copied over the RAM disk: keep it below 127M"):
        RamDisk(big)
    archive = b"".join(cpio_entry(*file) for file in (("vmlinuz", big), INITRD))
    run = hfedu.boot(archive, memory="512M")
    assert run.outcome.status == 4
    assert run.uart.endswith("copying to 0000000040080000\n")
    assert "copied over the RAM disk" in run.outcome.sentence


@pytest.mark.parametrize(
    "tree",
    [
        b"\xd0\r\xfe\xed" + b"\xff" * 60,
        b"\xd0\r\xfe\xed" + bytes(60),
        b"\xd0\r\xfe\xed" + (4096).to_bytes(4, "big") + b"\xff\xff\xff\x00" * 10,
        b"no tree",
    ],
)
def test_a_kernel_over_the_device_tree_ends_in_a_sentence(tree):
    """6 MiB carved off 16 MiB begin exactly where the device tree lies."""
    run = boot(KERNEL, INITRD, ("vms.txt", b"6291456 1 x"), ("x", tree))
    assert run.outcome.status == 4
    assert run.outcome.sentence.endswith(".")


def test_a_number_of_any_length_is_cut_to_64_bits():
    listing = str((1 << 64) + 4096).encode() + b" 1 x"
    assert "Loaded with 1 vcpus" in boot(KERNEL, INITRD, ("vms.txt", listing), ("x", CODE)).uart
    assert "Loading x" in boot(KERNEL, INITRD, ("vms.txt", b"9" * 5000 + b" 1 x"), ("x", CODE)).uart


def test_names_that_no_page_can_show_are_replaced_in_pictures():
    run = boot(KERNEL, INITRD, ("vms.txt", b"4096 1 a\x01b"), ("a\x01b", CODE))
    assert [line.label for line in run.lifelines if line.vm == 1] == ["a?b"]
    xml.etree.ElementTree.fromstring(run.render("svg"))
