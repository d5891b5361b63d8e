"""Every error a user can cause, as one clear line: what happened, where, and what to do next.

Those that a later attempt may mend are a `TransientError`; the rest need a person.
"""

from collections.abc import Iterable
from typing import ClassVar

from laion_pipeline.text import displayable


class LaionError(Exception):
    """The base of them all; its text is one line fit to be shown to a user.

    Names from strangers are made so here, once for all. `needs` names the tables, charts or shards
    that have to be made first.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, needs: Iterable[str] = ()) -> None:
        super().__init__(displayable(message))
        self.needs = tuple(needs)


class TransientError(LaionError):
    """Something that may have mended itself by the next attempt."""


class SettingsError(LaionError):
    """A setting is wrong: an environment variable, or the file that one names."""

    exit_status = 2


class SourceError(LaionError):
    """The place the shards come from has none, or cannot be read."""


class ShardError(LaionError):
    """A shard is damaged, is not Parquet, or has gone."""


class LayoutError(LaionError):
    """A shard's columns are not those of the release."""


class OutputError(LaionError):
    """A file cannot be written."""


class DiskFullError(OutputError):
    """There is not enough room on the disk."""


class AlertError(TransientError):
    """An alert could not be sent."""


class EngineError(LaionError):
    """What computes cannot be started or reached, or has failed."""


class HubError(LaionError):
    """The Hub refused, in a way that only a person can change."""


class HubUnavailableError(HubError, TransientError):
    """The Hub could not be reached or did not answer; later it may.

    `retry_after_seconds` is how long it asks to be left alone, 0 where it does not say.
    """

    def __init__(self, message: str, retry_after_seconds: float = 0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OffsetRefusedError(HubUnavailableError):
    """The Hub has no bytes at the offset from which a file was to be resumed."""


class UnsoundError(LaionError):
    """Something is not to be made from rows or tables that a check has failed."""


class WarehouseError(LaionError):
    """The warehouse is damaged, cannot be written, or has not been made yet."""


class DamagedWarehouseError(WarehouseError):
    """The warehouse's file cannot be read as one, or holds what DuckDB did not write.

    `finding` says which file it is and what is wrong; the text says what to do, too.
    """

    def __init__(self, finding: str, advice: str) -> None:
        super().__init__(f"{finding}; {advice}")
        self.finding = finding


class WarehouseBusyError(WarehouseError, TransientError):
    """Another process holds the warehouse open."""
