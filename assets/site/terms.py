"""Links from the lessons to the glossary, on the site: where a lesson explains a term, and where it first uses one."""

import re

EXPLAINED = re.compile(r"^- \*\*(.+?)\*\*: ", re.MULTILINE)
LEFT_ALONE = r"^```.*?^```|^#[^\n]*|`[^`]*`|\[[^\]]*\]\([^)]*\)|<[^>]*>|\*\*.*?\*\*"
"""Code, headings, links, HTML and what is bold: there is no place for a link in them."""


def anchor(term: str) -> str:
    """The name of a term's place in the glossary. Example: "stage 2" -> "term-stage-2"."""
    return "term-" + re.sub(r"\W+", "-", term.casefold()).strip("-")


def with_places(glossary: str) -> str:
    """The glossary with a place to link to at each term."""
    return EXPLAINED.sub(lambda found: f'- <span id="{anchor(found[1])}"></span>**{found[1]}**: ', glossary)


class Linker:
    """Links the terms of a glossary in the texts of one page: each once."""

    def __init__(self, glossary: str) -> None:
        terms = EXPLAINED.findall(glossary)
        self.anchors = {term.casefold(): anchor(term) for term in terms}
        plain = [re.escape(term) for term in terms if re.search(r"[A-Z\d_ ]", term)]  # no word of everyday speech
        plain.sort(key=len, reverse=True)
        marked = r"(?<![*\w])\*(?P<marked>[^*\n]+)\*(?![*\w])"
        self.places = re.compile(rf"{LEFT_ALONE}|{marked}|\b(?P<plain>{'|'.join(plain)})\b", re.MULTILINE | re.DOTALL)

    def linked(self, text: str) -> str:
        """A text with the links that are still to be made."""
        return self.places.sub(lambda found: self.link(found["marked"] or found["plain"] or "", found[0]), text)

    def link(self, term: str, text: str) -> str:
        """A link to a term, the first time; else the text as it is."""
        forms = (term.casefold().removesuffix(ending) for ending in ("", "s", "es", "d"))
        place = next((self.anchors.pop(form) for form in forms if form in self.anchors), None)
        shown = f"<em>{term}</em>" if text.startswith("*") else term
        return text if place is None else f'<a class="term" href="glossary.html#{place}">{shown}</a>'
