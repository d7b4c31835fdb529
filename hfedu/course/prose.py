"""The texts of the course: whether links lead somewhere, pictures have words, and words and terms are right."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from hfedu.course.exercises import exercises
from hfedu.course.notebooks import Lesson, cells, lessons, source, text_of
from hfedu.course.pages import terms
from hfedu.course.predictions import predictions

WORDS = Path(__file__).with_name("words.txt")
"""Words that are right here and in no dictionary, one a line."""
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src|srcset)=\"([^\"]+)\"")
NOT_PROSE = re.compile(r"\]\([^)]*\)|https?://\S+|<[^>]*>")
WORD = re.compile(r"(?<![\w.&])[A-Za-z]+(?:['’][a-z]+)?(?![\w(=])")


def other_pages() -> list[Path]:
    """The pages that are no lessons."""
    folder = source()[0]
    return [folder.parent / "README.md", *sorted(folder.rglob("*.md"))]


def broken_links(path: Path) -> list[str]:
    """Links to files, or to headings in them, that are not there. Other machines are not asked."""
    failures = []
    for link in (a or b for a, b in LINK.findall(CODE.sub("", text_of(path)))):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if re.match(r"\w+:", link):
            continue
        if not target.exists():
            failures.append(f"{path.name} links to {link}, which is not there")
        elif anchor and anchor not in anchors(target):
            failures.append(f"{path.name} links to {link}, and {target.name} has no such heading")
    return failures


def anchors(path: Path) -> set[str]:
    """What a link may name in a page: JupyterLab's ids of a notebook's headings, GitHub's of a file's."""
    headings = re.findall(r"^#+ (.+?)\s*$", CODE.sub("", text_of(path)), re.MULTILINE)
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wordless_pictures(path: Path) -> list[str]:
    """Pictures without a text for who cannot see them, in a page and in a notebook's outputs."""
    text = CODE.sub("", text_of(path))
    failures = [
        f"{path.name}: the picture {target} has no alt text" for target in re.findall(r"!\[\s*\]\((.*?)\)", text)
    ]
    failures += [f"{path.name}: {tag} has no alt text" for tag in re.findall(r"<img\b(?![^>]*\balt=\"\w)[^>]*>", text)]
    for cell in cells(path) if path.suffix == ".ipynb" else ():
        for output in cell.get("outputs", ()):
            kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            if not all(output["metadata"].get(kind, {}).get("alt") for kind in kinds):
                failures.append(f"{path.name}: a picture of cell {cell['id']} has no alt text")
    return failures


def misspelt(name: str, text: str) -> list[str]:
    """Words that neither the dictionary nor words.txt has."""
    prose = NOT_PROSE.sub(" ", CODE.sub(" ", text))
    words = {word.replace("’", "'") for word in WORD.findall(prose)}
    plain = {word.lower().removesuffix("'s") for word in words if word[1:].islower()}
    unknown = sorted(dictionary().unknown(plain))
    return [f"{name}: {', '.join(unknown)} (correct it, or add it to {WORDS.name})"] if unknown else []


@cache
def dictionary() -> Any:
    """English and the project's own words."""
    from spellchecker import SpellChecker

    english = SpellChecker()
    english.word_frequency.load_words(WORDS.read_text("utf-8").split())
    return english


def texts(lesson: Lesson) -> str:
    """What a lesson's module says to the learner."""
    said = [f"{term}: {text}" for term, text in terms(lesson).items()]
    for exercise in exercises().values():
        if exercise.id.startswith(lesson.number):
            said += [exercise.task, exercise.wants, *exercise.hints, *exercise.wrong]
    for prediction in predictions().values():
        if prediction.id.startswith(lesson.number):
            said.append(prediction.title)
            said += [text for q in prediction.questions for text in (q.text, *q.options, q.why)]
    return "\n".join(said)


def unexplained_terms(lesson: Lesson) -> list[str]:
    """Terms of a lesson that it does not put in italics, or that an earlier lesson has already.

    An earlier lesson must not put such a term in italics, for then it should list it; and a term of several words,
    which is no everyday word, must not stand there at all, but for the name of a link.
    """
    failures = []
    for term in terms(lesson):
        form = f"{re.escape(term)}(?:s|d|ed)?" if not term.endswith("y") else f"{re.escape(term[:-1])}(?:y|ies|ied)"
        if not in_italics(form, lesson):
            failures.append(f"{lesson.path.name} does not put its term “{term}” in italics")
        for earlier in lessons()[: lessons().index(lesson)]:
            used = " " in term and re.search(rf"\b{form}\b", re.sub(r"\[[^]]*\]", "", plain(earlier)), re.IGNORECASE)
            if used or in_italics(form, earlier):
                failures.append(f"{earlier.path.name} uses “{term}”, a term that only {lesson.path.name} lists")
    return failures


def plain(lesson: Lesson) -> str:
    """A lesson's text in one line, without code."""
    return " ".join(CODE.sub("", text_of(lesson.path)).split())


def in_italics(form: str, lesson: Lesson) -> bool:
    """Whether a lesson puts something in italics."""
    return re.search(rf"(?<!\*)\*{form}\*(?!\*)", plain(lesson), re.IGNORECASE) is not None
