"""The program `hfedu`: an interrupt ends it with status 130, also while it still loads what it needs."""

import sys

INTERRUPTED = 130


def main() -> int:
    """Run one command. The exit status."""
    try:
        from hfedu import cli

        return cli.main()
    except KeyboardInterrupt:
        print("hfedu: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
