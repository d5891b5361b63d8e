"""How much of what happened Dagster keeps: the last runs, and those by which something was made."""

from collections.abc import Iterator

import dagster as dg

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def forget_old_runs(instance: dg.DagsterInstance, keep: int) -> int:
    """Delete the runs that ended before the last `keep` did, with all they printed; how many.

    A run that an asset was last made or seen by stays, however old it is.
    """
    old = instance.get_run_ids(dg.RunsFilter(statuses=_ENDED))[keep:]  # the last one comes first
    needed = set(_made_something(instance)) if old else set()
    forgotten = [run_id for run_id in old if run_id not in needed]
    for run_id in forgotten:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    return len(forgotten)


def _made_something(instance: dg.DagsterInstance) -> Iterator[str]:
    for record in instance.get_asset_records():
        entry = record.asset_entry
        for last in (entry.last_materialization, entry.last_observation):
            if last is not None:
                yield last.run_id
