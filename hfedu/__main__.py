"""The program `hfedu`: an interrupt ends it with status 130, also while it still loads what it needs."""

import signal
import sys
from typing import Any


def program() -> int:
    """Run one command. The exit status: 130 if it was interrupted, whatever became of the interrupt on its way."""
    stops = []

    def stop(number: int, frame: Any) -> None:
        stops.append(number)
        signal.default_int_handler(number, frame)

    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the shell wants it ignored
            signal.signal(signal.SIGINT, stop)
        from hfedu import cli

        status = cli.main()
    except (Exception, KeyboardInterrupt) as error:
        if not stops and not isinstance(error, KeyboardInterrupt):
            raise
        print("hfedu: interrupted", file=sys.stderr)
        return 130  # as every command, see cli.INTERRUPTED
    return 130 if stops else status


if __name__ == "__main__":
    sys.exit(program())
