"""In a notebook a user's mistake is answered with a sentence, not with a traceback."""

import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import hfedu.course.exercises


def forget_names():
    """hfedu has what was asked of it at hand: as in a fresh kernel it has nothing."""
    for name in hfedu.__all__:
        vars(hfedu).pop(name, None)


@pytest.fixture(scope="module")
def shell():
    shell = InteractiveShell.instance()
    forget_names()
    before = sys.modules.pop("hfedu.course.exercises")  # as in a fresh kernel: importing it prepares the shell
    shell.run_cell("import hfedu\nfrom hfedu import check, predict, RamDisk")

    def run(cell):
        with capture_output() as captured:
            shell.run_cell(cell)
        return captured.stdout

    yield run
    sys.modules["hfedu.course.exercises"] = hfedu.course.exercises = before
    forget_names()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ('check("99-none", 1)', "there is no exercise '99-none'"),
        ('predict("99-none")', "there is no prediction '99-none'"),
        ('hfedu.hint("07-order", 9)', "there is no hint 9"),
        ("RamDisk(3)", "no scripted guest"),
        ('hfedu.boot("/no/such/file")', "cannot read /no/such/file"),
        ('hfedu.boot(RamDisk(b"code"), memory="lots")', "'lots' is no memory size"),
        ('hfedu.boot(RamDisk(b"\\0\\0\\0\\x14"), max_traps=1, max_instructions=9).at(99)', "there is no event 99"),
        ("hfedu.playground(77)", "a playground has 2 to 4 VMs"),
        ("run_of_a_cell_above.transcript()", "'run_of_a_cell_above' is not there yet: run the cells above first"),
    ],
)
def test_a_sentence_and_no_traceback(shell, cell, says):
    output = shell(cell)
    assert says in output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 1


def test_every_mistake_is_one_class():
    assert issubclass(hfedu.Mistake, ValueError)
    with pytest.raises(hfedu.Mistake, match="there is no asset 'none': there are echo"):
        hfedu.asset("none")
