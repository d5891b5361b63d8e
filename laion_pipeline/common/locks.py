"""One at a time: a lock that its holder's death releases, and that says who holds it.

A lock is a file that the holder has locked with `flock` and written its name into. It is removed
when the holder lets go; one that is left by a process that was killed is no lock any more.
"""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tenacity import RetryCallState, Retrying, retry_if_result, wait_fixed

from laion_pipeline.common.files import cannot_write

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_TRIES = 0.2
_SECONDS_BETWEEN_WORDS = 60.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: a process, the program that it runs, and since when, in UTC."""

    pid: int
    program: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.program}, since {self.since} UTC)"

    @classmethod
    def this_process(cls, program: str) -> Self:
        """This process, from now on."""
        return cls(os.getpid(), program, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")


@contextmanager
def locked(file: Path, program: str) -> Iterator[None]:
    """Hold the lock for as long as the block runs, after whoever holds it now has let go.

    Waits without end, since the holder's death ends the waiting too, and says whom it waits for.

    Raises OutputError when there can be no lock.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _wait_for(file)
        os.truncate(descriptor, 0)
        os.write(descriptor, json.dumps(asdict(Holder.this_process(program))).encode())
    except OSError as error:
        raise cannot_write(file, error, "locked") from error
    try:
        yield
    finally:
        with suppress(OSError):  # the folder may have gone meanwhile, and the lock with it
            file.unlink(missing_ok=True)
        os.close(descriptor)


def holder_of(file: Path) -> Holder | None:
    """Who holds a lock, if anybody does and has said so."""
    if not is_locked(file):
        return None
    try:
        return Holder(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # it has let go, or is about to say


def is_locked(file: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _wait_for(file: Path) -> int:
    waiting = Retrying(
        retry=retry_if_result(lambda descriptor: descriptor is None),
        wait=wait_fixed(_SECONDS_BETWEEN_TRIES),
        before_sleep=_teller(file),
    )
    descriptor = waiting(_take, file)
    assert descriptor is not None
    return descriptor


def _take(file: Path) -> int | None:
    """An open file that is the lock and locked; None while somebody else holds it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its holder may have removed it in between: then it is not the lock any more.
        if os.path.samestat(os.fstat(descriptor), file.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _teller(file: Path) -> Callable[[RetryCallState], None]:
    """Says whom it waits for, at once and then every minute."""
    due = 0.0

    def tell(state: RetryCallState) -> None:
        nonlocal due
        waited = state.seconds_since_start or 0.0
        holder = holder_of(file)
        if waited >= due and (holder or waited > 1):
            due = waited + _SECONDS_BETWEEN_WORDS
            who = holder or "another process"
            logger.warning("waiting for %s, which works in %s", who, file.parent)

    return tell
