"""The program `hfedu`: an interrupt ends it with status 130, also while it still loads what it needs."""

import sys


def program() -> int:
    """Run one command. The exit status."""
    try:
        from hfedu import cli

        return cli.main()
    except KeyboardInterrupt:
        print("hfedu: interrupted", file=sys.stderr)
        return 130  # as every command, see cli.INTERRUPTED


if __name__ == "__main__":
    sys.exit(program())
