"""`python -m assets`: the door to the command line, which ends in one line however it ends."""

import os
import sys

from assets.interrupts import end, received, watch


def _run() -> int:
    watch()  # before what takes seconds to import
    try:
        from assets.command import main

        return main()
    except BrokenPipeError:  # whoever read has stopped, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt):
        if not received():
            raise
        end()  # whatever it is: an import that was interrupted, for one, is an ImportError
    return 1


if __name__ == "__main__":
    sys.exit(_run())
