"""How large each room of the house is, and how large it may be, in tokens of code.

A token is a word, a number, a text or an operator. Comments, docstrings, blank lines and line ends are none: who
explains more or breaks a line in two pays nothing.

python tests/sizes.py            prints the table
python tests/sizes.py ceilings   prints CEILINGS as they would be a tenth above what is there now
"""

import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
CEILINGS: dict[str, int] = {
    "hfedu/hf": 14_800,
    "hfedu/history": 7_900,
    "hfedu/board": 11_900,
    "hfedu/guest": 52_900,
    "hfedu/run": 64_500,
    "hfedu/view": 40_600,
    "hfedu/widgets": 13_200,
    "hfedu/course": 110_500,
    "hfedu/__init__.py": 1_010,
    "hfedu/__main__.py": 280,
    "hfedu/bench.py": 1_680,
    "hfedu/cli.py": 3_200,
    "hfedu/errors.py": 1_800,
    "hfedu/files.py": 890,
    "hfedu/notebook.py": 2_380,
    "assets": 780,
    "assets/site": 3_900,
    "assets/player": 38_300,
    "assets/player.css": 11_100,
    "assets/guests": 1_810,
    "notebooks": 8_020,
    "tests": 203_500,
    "tests/browser": 22_500,
}
"""By room: a folder with all that is below it, or a file. What is in two rooms counts in the smaller one.

A ceiling rises only with a reason, which the message of the commit that raises it gives.
"""
SOURCES, BUILT = "assets/player", "assets/player.js"
"""The front end's modules, and the file that is built from them, which counts only where there are none."""
NO_ROOMS = ("build", "dist", "hfedu-notebooks", "node_modules", "test-output")
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
SCRIPT = re.compile(
    r"""(?P<none>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<word>[\w$#@]+(?:\.\d+)?)
    |(?P<sign>===|!==|>>>|\.\.\.|\*\*|=>|\?\.(?!\d)|\?\?=?|&&=?|\|\|=?|[-+*/%&|^=!<>]=|\+\+|--|<<|>>|.)""",
    re.DOTALL | re.VERBOSE,
)
"""JavaScript, C, assembly and style sheets, but for what begins with a slash or a grave accent."""
REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^]\\])*\]|[^/\\[\n])+/[a-z]*")
BEFORE_A_REGEX = {*"(,=:[!&|?{};", "", "=>", "&&", "||", "??", "return", "typeof", "case"}
IN_TEMPLATE = re.compile(r"(?:\\.|\$(?!\{)|[^`\\$])*(`|\$\{)", re.DOTALL)


def python_tokens(source: str) -> int:
    """Tokens of Python: no comments, no docstrings. A text counts once, and what is in its {} besides."""
    nodes = list(ast.walk(ast.parse(source)))
    texts = [node for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    docstrings = sum(isinstance(node.value.value, str) for node in texts)
    held = [ast.unparse(node.value) for node in nodes if isinstance(node, ast.FormattedValue)]
    return sum(map(plain_tokens, [source, *held])) - docstrings


def plain_tokens(source: str) -> int:
    """Tokens of Python without comments; a text counts once, whatever is in it."""
    count = inside = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        count += not inside and token.type not in NO_CODE
        inside += {"FSTRING_START": 1, "FSTRING_END": -1}.get(name, 0)  # such a text is one token up to Python 3.11
    return count


def notebook_tokens(source: str) -> int:
    """Tokens of a notebook's cells of code."""
    cells = json.loads(source)["cells"]
    return sum(python_tokens("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code")


def script_tokens(source: str) -> int:
    """Tokens of JavaScript. A template counts once, and what is in its ${} besides."""
    count, at, before = 0, 0, ""
    braces: list[int] = []  # how many are open in each ${} that we are in
    while at < len(source):
        closes = source[at] == "}" and braces and not braces[-1]
        if source[at] == "`" or closes:
            count += not closes
            end = IN_TEMPLATE.match(source, at + 1)
            braces = braces[: len(braces) - bool(closes)] + [0] * (end is not None and end[1] == "${")
            at, before = end.end() if end else len(source), "" if end and end[1] == "${" else "`"
            continue
        found = SCRIPT.match(source, at)
        assert found is not None
        if source[at] == "/" and found["none"] is None and before in BEFORE_A_REGEX:
            found = REGEX.match(source, at) or found
        elif braces:
            braces[-1] += {"{": 1, "}": -1}.get(found[0], 0)
        at = found.end()
        if "none" not in found.re.groupindex or found["none"] is None:
            count, before = count + 1, found[0]
    return count


COUNT: dict[str, Callable[[str], int]] = {
    ".py": python_tokens,
    ".ipynb": notebook_tokens,
    **dict.fromkeys((".js", ".mjs", ".css", ".c", ".h", ".S"), script_tokens),
}


def sizes() -> dict[str, int]:
    """Tokens by room, in the order of CEILINGS. `KeyError` for a file that is in no room."""
    found = dict.fromkeys(CEILINGS, 0)
    for top in ROOT.iterdir():
        if top.is_dir() and not top.name.startswith(".") and top.name not in NO_ROOMS:
            for path in top.rglob("*"):
                name = path.relative_to(ROOT).as_posix()
                if path.suffix in COUNT and not (name == BUILT and (ROOT / SOURCES).is_dir()):
                    found[room(SOURCES if name == BUILT else name)] += COUNT[path.suffix](path.read_text())
    return found


def room(name: str) -> str:
    """The smallest room that a file is in."""
    rooms = [room for room in CEILINGS if name == room or name.startswith(f"{room}/")]
    if not rooms:
        raise KeyError(f"{name} is in no room: give its folder a ceiling in tests/sizes.py")
    return max(rooms, key=len)


def table(found: dict[str, int]) -> str:
    """Rooms, tokens and ceilings as text."""
    rows = [f"{room:20} {tokens:7,} of {CEILINGS[room]:7,}" for room, tokens in found.items()]
    return "\n".join(["tokens of code", *rows, f"{'together':20} {sum(found.values()):7,}"])


def ceiling(tokens: int) -> int:
    """A tenth more, rounded up."""
    step = 10 ** max(1, len(str(tokens)) - 3)
    return -(-tokens * 11 // (10 * step)) * step


if __name__ == "__main__":
    if sys.argv[1:] == ["ceilings"]:
        print("\n".join(f'    "{room}": {ceiling(tokens)},' for room, tokens in sizes().items()))
    else:
        print(table(sizes()))
