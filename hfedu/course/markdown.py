"""Pages and notebooks as they are read: whether their links lead somewhere and their pictures have words."""

import re
from pathlib import Path

from hfedu.course.notebooks import cell_text, code_cells

CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src|srcset)=\"([^\"]+)\"")


def broken_links(path: Path) -> list[str]:
    """Links to files, or to headings in them, that are not there. Other machines are not asked."""
    failures = []
    for link in (a or b for a, b in LINK.findall(CODE.sub("", cell_text(path)))):
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
    headings = re.findall(r"^#+ (.+?)\s*$", CODE.sub("", cell_text(path)), re.MULTILINE)
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wordless_pictures(path: Path) -> list[str]:
    """Pictures without a text for who cannot see them, in a page and in a notebook's outputs."""
    text = CODE.sub("", cell_text(path))
    failures = [
        f"{path.name}: the picture {target} has no alt text" for target in re.findall(r"!\[\s*\]\((.*?)\)", text)
    ]
    failures += [f"{path.name}: {tag} has no alt text" for tag in re.findall(r"<img\b(?![^>]*\balt=\"\w)[^>]*>", text)]
    for number, cell in enumerate(code_cells(path) if path.suffix == ".ipynb" else ()):
        for output in cell.get("outputs", ()):
            kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            if not all(output.get("metadata", {}).get(kind, {}).get("alt") for kind in kinds):
                failures.append(f"{path.name}: a picture of cell {cell.get('id', number)} has no alt text")
    return failures
