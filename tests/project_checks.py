"""What `hfedu course check` looks for besides in a clone of the project: texts and pages that only the project has."""

from collections.abc import Callable, Sequence
from functools import partial

import course_pages
import course_prose

from hfedu.course.markdown import broken_links, wordless_pictures
from hfedu.course.notebooks import Lesson, cell_text, lessons


def kinds(chosen: Sequence[Lesson]) -> list[tuple[str, Sequence[Callable[[], list[str]]]]]:
    """Kinds of failure and the tasks that look for them, for some lessons; for all of them with the other pages."""
    pages = course_prose.other_pages() if tuple(chosen) == lessons() else []
    whole: list[Callable[[], list[str]]] = [course_pages.stale] if pages else []
    paths = [*(lesson.path for lesson in chosen), *pages]
    said = [partial(course_prose.misspelt, f"lesson {one.number}", course_prose.texts(one)) for one in chosen]
    return [
        ("pages that are made", whole),
        ("links of other pages", [partial(broken_links, path) for path in pages]),
        ("words for their pictures", [partial(wordless_pictures, path) for path in pages]),
        ("terms", [partial(course_prose.unexplained_terms, lesson) for lesson in chosen]),
        ("spelling", [partial(course_prose.misspelt, path.name, cell_text(path)) for path in paths] + said),
    ]
