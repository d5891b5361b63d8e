"""How long each stage of a run took, from the times that Dagster keeps."""

from collections.abc import Mapping

import dagster as dg


def stages_of(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, float]:
    """The seconds that each step of a run took, those that have ended, the longest first."""
    found = {
        step.step_key: step.end_time - step.start_time
        for step in instance.get_run_step_stats(run_id)
        if step.start_time is not None and step.end_time is not None
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))
