"""The program `hfedu`: an interrupt ends it with status 130, also while it still loads what it needs.

So this module loads next to nothing itself. What comes before it, Python's own start, is Python's: there an interrupt
ends the process with nothing or with a traceback.
"""

import _signal as signal  # type: ignore[import-not-found]  # signal itself loads what takes as long as all this
import _thread
import atexit
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PRESSED_AGAIN = 0.05
"""Seconds after which an interrupt comes again that came where nothing can be raised."""


def program() -> int:
    """Run one command. The exit status: 130 if it was interrupted, whatever became of the interrupt on its way."""
    stops = []

    def stop(number: int, frame: "Any") -> None:
        stops.append(number)
        signal.default_int_handler(number, frame)

    def press_again() -> None:
        time.sleep(PRESSED_AGAIN)
        _thread.interrupt_main()

    def unraisable(lost: "sys.UnraisableHookArgs") -> None:
        """Python calls this for what is raised in a destructor or a callback, and goes on."""
        if stops and issubclass(lost.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(press_again, ())
        else:
            sys.__unraisablehook__(lost)

    try:
        sys.unraisablehook = unraisable
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


def run() -> "NoReturn":
    """Run one command and end with its status, also where Python would end by the signal itself.

    An interrupt that came while a string was executed, as each data class does when it is defined, makes
    `python -m` kill itself with SIGINT when it ends, whatever status it was asked for.
    """
    status = program()
    if status != 130:
        sys.exit(status)
    from contextlib import suppress

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
