"""The texts of the course: whether words and terms are right."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from course_pages import terms

from hfedu.course.exercises import exercises, variant_of
from hfedu.course.markdown import CODE
from hfedu.course.notebooks import Lesson, cell_text, lessons, source
from hfedu.course.predictions import predictions

WORDS = Path(__file__).with_name("words.txt")
"""Words that are right here and in no dictionary, one a line."""
NOT_PROSE = re.compile(r"\]\([^)]*\)|https?://\S+|<[^>]*>")
WORD = re.compile(r"(?<![\w.&])[A-Za-z]+(?:['’][a-z]+)?(?![\w(=])")


def other_pages() -> list[Path]:
    """The pages that are no lessons."""
    folder = source()[0]
    return [folder.parent / "README.md", *sorted(folder.rglob("*.md"))]


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
    varied = [variant_of(each, "Ada", predictions()) for each in predictions().values() if each.variant is not None]
    for prediction in (*predictions().values(), *varied):
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
    return " ".join(CODE.sub("", cell_text(lesson.path)).split())


def in_italics(form: str, lesson: Lesson) -> bool:
    """Whether a lesson puts something in italics."""
    return re.search(rf"(?<!\*)\*{form}\*(?!\*)", plain(lesson), re.IGNORECASE) is not None
