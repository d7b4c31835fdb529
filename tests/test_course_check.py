"""hfedu course check: whatever is wrong with a lesson makes it fail, by name."""

import ast
import copy
import signal
from pathlib import Path

import nbformat
import pytest

from hfedu import cli
from hfedu.course import exercises as course_exercises
from hfedu.course import pages, prose, verify
from hfedu.course.exercises import answer_of, exercises, find, judge
from hfedu.course.notebooks import lessons
from hfedu.course.verify import Check, backwards

SECONDS = 20
"""After so long a mutated answer counts as one that never ends."""


def mutations(source):
    """A solution with one change each: a constant is another, a comparison is turned round, a statement is gone."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        changed = copy.deepcopy(tree)
        twin = list(ast.walk(changed))[number]
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | str | bytes):
            others = {bool: lambda v: not v, int: lambda v: v + 1, str: lambda v: v + "x", bytes: lambda v: v + b"x"}
            twin.value = others[type(node.value)](node.value)
            yield ast.unparse(changed)
        elif isinstance(node, ast.Compare):
            twin.ops = [{ast.Eq: ast.NotEq, ast.Is: ast.IsNot}.get(type(op), ast.Eq)() for op in twin.ops]
            yield ast.unparse(changed)
        elif isinstance(node, ast.FunctionDef):
            for place in range(len(node.body)):
                fewer = copy.deepcopy(changed)
                body = list(ast.walk(fewer))[number].body
                body[place] = ast.Pass()
                yield ast.unparse(fewer)


class NeverEnds(BaseException):
    """An answer took too long."""


def state_of(exercise_id, source):
    """What the check says of an answer, which may also not compile to one or never end."""

    def stop(*_):
        raise NeverEnds

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        return judge(find(exercise_id), answer_of(source)).state
    except (NeverEnds, Exception) as error:
        return type(error).__name__
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("exercise_id", exercises())
def test_a_mutated_solution_is_not_right(exercise_id):
    tried = 0
    for source in mutations(find(exercise_id).solution):
        tried += 1
        if state_of(exercise_id, source) != "right":
            return
    pytest.fail(f"the check of {exercise_id} finds its solution right with each of {tried} mutations")


def change(monkeypatch, exercise_id, **fields):
    changed = {**course_exercises.exercises(), exercise_id: find(exercise_id)._replace(**fields)}
    for module in (course_exercises, verify, prose):
        monkeypatch.setattr(module, "exercises", lambda: changed)


def run_check(*arguments):
    return cli.main(["course", "check", *arguments])


@pytest.mark.slow
def test_a_sound_lesson_passes_and_the_memory_is_said(capsys):
    assert run_check("--lesson", "07") == 0
    said = capsys.readouterr().out
    for kind in ("links", "spelling", "solutions", "wrong answers", "notebooks", "out of order", "memory"):
        assert f"{kind}: " in said
    assert "of 512 MiB: 07_clear_and_back_pressure.ipynb" in said


def test_the_first_kind_of_failure_ends_it_and_all_of_that_kind_are_named(monkeypatch, capsys):
    for exercise_id in ("07-second-send", "07-order"):
        change(monkeypatch, exercise_id, solution="def answer():\n    yield configure()\n")
    assert run_check("--lesson", "07") == 1
    said = capsys.readouterr().out
    assert "solutions: 2 failed" in said
    assert "the solution of 07-second-send: wrong." in said
    assert "the solution of 07-order: wrong." in said
    assert "wrong answers" not in said


def test_a_wrong_answer_that_passes_or_is_told_something_else_fails(monkeypatch, capsys):
    right = find("07-order").solution
    change(monkeypatch, "07-order", wrong={"is right": (right, "not"), "odd": ("answer = 3", "not “first”")})
    assert run_check("--lesson", "07") == 1
    said = capsys.readouterr().out
    assert "wrong answers: 2 failed" in said
    assert "the wrong answer “is right” should be told “not”. 07-order: right" in said
    assert "the wrong answer “odd” should be told “not “first””. 07-order: wrong." in said


def test_hints_must_be_three_that_differ(monkeypatch, capsys):
    change(monkeypatch, "07-order", hints=("Think.", "Think.", "Think."))
    assert run_check("--lesson", "07") == 1
    assert "07-order has not three hints" in capsys.readouterr().out


def test_the_memory_limit_is_kept(monkeypatch, capsys):
    def run(check, notebook):
        check.peaks[notebook.name] = verify.MEMORY_LIMIT + 1
        return []

    monkeypatch.setattr(Check, "run", run)
    assert run_check("--lesson", "07") == 1
    assert "07_clear_and_back_pressure.ipynb took 513 MiB, more than 512" in capsys.readouterr().out


def test_a_lesson_that_is_not_there_is_a_sentence(capsys):
    assert run_check("--lesson", "99") == 2
    assert "there is no lesson '99': there are 00" in capsys.readouterr().err


def test_a_missing_tool_is_named_with_the_way_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(verify.TOOLS, "no_such_module", "no-such-package")
    assert run_check() == 2
    assert "needs no-such-package: in a clone of the project, pip install -e '.[test]'" in capsys.readouterr().err


def book(folder, *cells):
    """A notebook with these cells (source, output) as if they had been executed."""
    code = []
    for source, output in cells:
        cell = nbformat.v4.new_code_cell(source, execution_count=1)
        if output is not None:
            cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": output}, execution_count=1)]
        code.append(cell)
    path = folder / "05_book.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=code), path)
    return path


@pytest.mark.slow
def test_a_stored_output_that_is_not_what_the_cell_gives_fails(tmp_path):
    path = book(tmp_path, ("x = 1", None), ("x", "2"))
    assert "05_book.ipynb:" in Check(lessons()).run(path)[0]


def test_a_cell_of_nine_lines_is_too_long(tmp_path):
    lines = [f"x{number} = {number}" for number in range(8)]
    path = book(tmp_path, ("\n\n".join(lines), None), ("\n".join([*lines, "x0"]), "0"))
    (said,) = verify.long_cells(path)
    assert said.startswith("05_book.ipynb, cell ")
    assert said.endswith(": 9 lines, 8 at most")


@pytest.mark.slow
def test_a_cell_that_lives_on_hidden_state_fails_out_of_order_only(tmp_path):
    path = book(tmp_path, ("seen = []", None), ("seen.append(1)", None), ("len(seen)", "1"))
    assert Check(lessons()).run(path) == []
    assert "05_book.ipynb:" in Check(lessons()).run_out_of_order(path)[0]


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["x = 1", "y = x", "x = 2", "print(y, x)"], [0, 1, 2, 3, 2, 0, 1]),
        (["import a", "def f(): return g()", "def g(): return 1", "f()"], [0, 1, 2, 3, 2, 1]),
        (["import a", "def f(n): return n", "n = f(1)", "def f(n): return 2", "n"], [0, 1, 2, 3, 4, 3, 1, 2, 1]),
    ],
)
def test_the_order_backwards_brings_each_cell_the_names_it_needs(cells, order):
    assert backwards(cells) == order


def test_links_to_files_and_headings_must_lead_there(tmp_path):
    (tmp_path / "other.md").write_text("# The other page's end\n")
    path = tmp_path / "page.md"
    path.write_text(
        "# Here\n[a](other.md) [b](other.md#the-other-pages-end) [c](#here) [d](https://example.org/none)\n`[x](no)`\n"
    )
    assert prose.broken_links(path) == []
    bad = tmp_path / "bad.md"
    bad.write_text('[a](none.md) [b](other.md#none) [c](#none)\n<img src="none.png" alt="x">\n')
    assert len(prose.broken_links(bad)) == 4


def test_every_picture_needs_words(tmp_path):
    path = tmp_path / "page.md"
    path.write_text('![a mailbox](x.png) <img alt="a mailbox" src="x.png">\n![](x.png) <img src="x.png"> <img alt="">')
    assert len(prose.wordless_pictures(path)) == 3
    notebook = book(tmp_path, ("1", "1"))
    stored = nbformat.read(notebook, as_version=4)
    stored.cells[0].outputs[0].data["image/png"] = "AAAA"
    nbformat.write(stored, notebook)
    assert len(prose.wordless_pictures(notebook)) == 1


def test_misspelt_words_are_named_and_code_is_no_prose():
    assert prose.misspelt("page", "The hypervisor’s colour, `recieve` and vcpu_rnu [here](teh.md) READ x0.") == []
    assert prose.misspelt("page", "We recieve a mesage.") == [
        "page: mesage, recieve (correct it, or add it to words.txt)"
    ]


def test_a_term_stands_in_italics_where_it_is_listed_and_nowhere_before(monkeypatch):
    early, late = lessons()[:2]
    texts = {early.path: "A *mailbox*, a waiter list, [on spin locks](x).", late.path: "A *waiter list*, *spin locks*."}
    monkeypatch.setattr(prose, "text_of", texts.get)
    monkeypatch.setattr(
        prose, "terms", lambda lesson: dict.fromkeys(["waiter list", "mailbox", "spin lock"] if lesson == late else [])
    )
    assert prose.unexplained_terms(early) == []
    assert prose.unexplained_terms(late) == [
        f"{early.path.name} uses “waiter list”, a term that only {late.path.name} lists",
        f"{late.path.name} does not put its term “mailbox” in italics",
        f"{early.path.name} uses “mailbox”, a term that only {late.path.name} lists",
    ]


def test_the_made_pages_are_those_that_are_stored():
    assert pages.stale() == []


def test_an_old_page_is_named(monkeypatch):
    monkeypatch.setattr(pages, "glossary", lambda: "another")
    assert pages.stale() == ["glossary.md is not what the lessons say: make refresh"]


def test_the_readme_lists_every_lesson_with_its_minutes():
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text()
    for lesson in lessons():
        name = lesson.path.stem
        assert 20 <= pages.minutes(lesson) <= 40
        assert f"| [`{name}`](notebooks/{name}.ipynb) | {pages.minutes(lesson)} |" in readme
