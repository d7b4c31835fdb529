"""What the pages say: their code runs, their commands and options are there, and what they name exists."""

import argparse
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

import hfedu
from hfedu import cli
from hfedu.course import notebooks

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
FOR_CONTRIBUTORS = [ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES = [ROOT / "README.md", ROOT / "paper.md", *FOR_CONTRIBUTORS, *sorted(NOTEBOOKS.rglob("*.md"))]
PACKAGE_PAGE, SITE_PAGE = ROOT / "README.md", ROOT / "assets" / "site" / "index.md"
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:\.venv[/\\](?:bin|Scripts)[/\\])?(?:python3? -m )?hfedu ([a-z-].*)")
SOURCES = ("hfedu", "assets", "tests", "notebooks")


def name(path):
    return path.relative_to(ROOT).as_posix()


def commands(text):
    """Each command line of hfedu in a page's text."""
    lines = [line for language, block in FENCED.findall(text) if language != "python" for line in block.splitlines()]
    for line in [*lines, *INLINE.findall(FENCED.sub("", text))]:
        for part in re.split(r" && | > ", re.sub(r" +#.*", "", line.strip())):
            if (found := COMMAND.fullmatch(part)) is not None:
                yield found[1]


@pytest.mark.parametrize("path", [*PAGES, *(lesson.path for lesson in notebooks.lessons())], ids=name)
def test_each_command_line_is_one(path):
    text = path.read_text("utf-8") if path.suffix == ".md" else notebooks.cell_text(path)
    for line in commands(text):
        words = shlex.split(re.sub(r"\[(\w+)\]", r"\1", line.partition(" -- ")[0]))
        alone = all(re.fullmatch("[a-z]+", word) for word in words)  # in a sentence that is about the command
        if alone:
            with pytest.raises(SystemExit) as end:
                cli.parser().parse_args([*words, "--help"])
            assert end.value.code == 0, line
        else:
            assert callable(cli.parser().parse_args(words).command), line


def test_there_are_command_lines_to_look_at():
    found = {words for path in PAGES for words in commands(path.read_text("utf-8"))}
    assert len(found) > 25
    assert {"boot", "draw", "explore", "bench", "course", "lab"} <= {line.split()[0] for line in found}


@pytest.mark.slow
def test_the_code_of_the_first_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = [block for language, block in FENCED.findall((ROOT / "README.md").read_text("utf-8")) if language]
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    recording = names["recording"]
    assert recording.outcome.kind == "power off"
    assert [event.message for event in recording.events if event.message] == [b"hello", b"hello"]


SUBJECTS = {"recording": hfedu.Run, "event": hfedu.Event, "hfedu": hfedu}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_what_a_page_says_a_recording_has_it_has(path):
    for span in INLINE.findall(FENCED.sub("", path.read_text("utf-8"))):
        if (found := re.match(r"(recording|event|hfedu)\.(\w+)", span)) and found[2] != "course":
            kind = SUBJECTS[found[1]]
            assert hasattr(kind, found[2]) or found[2] in getattr(kind, "__dataclass_fields__", ()), span
            assert found[1] != "hfedu" or found[2] in {*hfedu.__all__, "history"}, span


@cache
def words_of_the_sources():
    files = [
        path for folder in SOURCES for kind in ("py", "js", "css", "h") for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    files += [ROOT / "Makefile", ROOT / "pyproject.toml"]
    return set(
        re.findall(r"\w+", "\n".join(path.read_text("utf-8") for path in files if path.name != Path(__file__).name))
    )


@pytest.mark.parametrize("path", FOR_CONTRIBUTORS, ids=name)
def test_what_is_named_there_exists(path):
    """Each name in the text is one in the sources, each path one of the repository or of the package."""
    spans = INLINE.findall(FENCED.sub("", path.read_text("utf-8")))
    named = {span for span in spans if re.fullmatch(r"@?[A-Za-z_][\w.]*(\(.*\))?", span) and "..." not in span}
    assert len(named) > 20
    unknown = {span for span in named if re.match(r"@?([\w.]+)", span)[1].split(".")[-1] not in words_of_the_sources()}
    assert {span for span in unknown if not there(span)} == set()
    paths = {span for span in spans if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)+", span) and not span.startswith(".venv")}
    assert {span for span in paths if not there(span)} == set()


def there(span):
    return any(list(folder.glob(span)) for folder in (ROOT, ROOT / "hfedu", NOTEBOOKS))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_each_target_of_make_is_one(path):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = path.read_text("utf-8")
    code = [
        *INLINE.findall(FENCED.sub("", text)),
        *(line for _, block in FENCED.findall(text) for line in block.splitlines()),
    ]
    asked = {found[1] for line in code if (found := re.match(r"make(?: PYTHON=\S+)? (\w+)", line.strip()))}
    assert asked <= targets


def options_of(parser):
    """All options that a parser and its commands take."""
    for action in parser._actions:
        yield from action.option_strings
        choices = action.choices if isinstance(action, argparse._SubParsersAction) else {}
        for command in choices.values():
            yield from options_of(command)


@pytest.mark.parametrize("path", [*PAGES, *(lesson.path for lesson in notebooks.lessons())], ids=name)
def test_each_option_that_a_text_names_is_there(path):
    text = path.read_text("utf-8") if path.suffix == ".md" else notebooks.cell_text(path)
    named = {span.split()[0] for span in INLINE.findall(FENCED.sub("", text)) if span.startswith("--")}
    assert named <= {*options_of(cli.parser())}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_who_is_told_to_open_jupyterlab_is_told_to_install_it(path):
    blocks = [block for language, block in FENCED.findall(path.read_text("utf-8")) if language != "python"]
    installs = re.findall(
        r"pip (?:install|wheel) [^#\n]*?(?:\.|hfedu)(\[[\w,]+\])?['\"]?(?: |$)", "\n".join(blocks), re.MULTILINE
    )
    if installs and any(re.search(r"hfedu lab\b", block) for block in blocks):
        assert all("lab" in extras or "test" in extras for extras in installs), installs


@pytest.mark.parametrize("path", [PACKAGE_PAGE, SITE_PAGE], ids=name)
def test_all_pages_are_reached_from(path):
    text = path.read_text("utf-8")
    for page in NOTEBOOKS.glob("*.md"):
        assert f"notebooks/{page.stem}" in text, page.name
