"""Dagster's event log in PostgreSQL, with what is done otherwise in its files, too."""

from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage

from assets.event_log import FailureFirst


class PostgresEventLog(FailureFirst, PostgresEventLogStorage):
    """Dagster's own storage, which marks a failed run before anybody can read of it."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PostgresEventLog":
        """The storage in the database that `dagster.yaml` names."""
        return cls(config_value["postgres_url"], inst_data=inst_data)
