"""Where Dagster keeps what happened: a failed run is marked before anybody can read of it.

Dagster stores the event first. Its daemon, reading in between, would take the run for one that is
still under way, and never run it again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData


class EventLogStorage(SqliteEventLogStorage):
    """Dagster's own storage, at its usual place in the home, with the order turned round."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EventLogStorage":
        """The storage in the home that `dagster.yaml` names."""
        return cls(str(Path(config_value["base_dir"], "history", "runs")), inst_data)

    def store_event(self, event: EventLogEntry) -> None:
        """Mark the run if the event tells of its failure, then store the event."""
        if event.is_dagster_event and event.get_dagster_event().is_run_failure:
            self._instance.run_storage.handle_run_event(event.run_id, event.get_dagster_event())
        super().store_event(event)
