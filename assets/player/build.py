"""Build the player: assets/player/*.js -> assets/player.js, the one module that ships.

Needs Node.js with npx. Nobody needs it to run hfedu: the built module is in the repository. `--check` changes nothing,
and says whether the sources are formatted and the module is what they give.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILT = HERE.parent / "player.js"
ESBUILD, PRETTIER = "esbuild@0.28.2", "prettier@3.10.1"
FORMATTED = ("assets/player", "tests/js")
HEAD = "// Built from assets/player/ by `make player`: change the sources, not this file.\n"
MARK = "// sha256 of the sources and of what follows: "


def npx(package: str, *arguments: str, text: str | None = None) -> str:
    """What a command of a Node.js package prints."""
    command = ["npx", "--yes", "--package", package, *arguments]
    return subprocess.run(command, cwd=ROOT, input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def digest(module: str) -> str:
    """A digest of the sources and the module that they give: it tells when one of them was changed alone."""
    found = hashlib.sha256()
    for path in sorted(HERE.glob("*.js")):
        found.update(f"{path.name}\n{path.read_text('utf-8')}\n".encode())
    found.update(module.encode())
    return found.hexdigest()


def built() -> str:
    """The module that the sources give."""
    options = ("--bundle", "--format=esm", "--target=es2022", "--charset=utf8")
    bundle = npx(ESBUILD, "esbuild", "assets/player/main.js", *options)
    module = npx(PRETTIER, "prettier", "--stdin-filepath", "assets/player.js", text=bundle)
    return f"{HEAD}{MARK}{digest(module)}\n{module}"


def is_fresh() -> bool:
    """Whether the module in the repository is what the sources gave, as far as can be told without building it."""
    head, mark, module = BUILT.read_text("utf-8").split("\n", 2)
    return f"{head}\n" == HEAD and mark == MARK + digest(module)


def main() -> int:
    """Build it, or check what is there."""
    if "--check" not in sys.argv[1:]:
        npx(PRETTIER, "prettier", "--write", "--log-level=warn", *FORMATTED)
        BUILT.write_text(built(), "utf-8")
        return 0
    formatted = ("--check", "--log-level=warn", *FORMATTED)
    if subprocess.run(["npx", "--yes", "--package", PRETTIER, "prettier", *formatted], cwd=ROOT).returncode:
        return 1
    if BUILT.read_text("utf-8") == built():
        return 0
    print("assets/player.js is not what assets/player gives: run make player", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
