"""One Dagster run of everything in this process."""

import gc
from uuid import uuid4

from assets.definitions import defs
from assets.home import open_instance
from assets.liveness import canceled_if_interrupted, fail_dead_runs, kept_alive
from assets.outcome import outcome_of_run
from assets.resources import PROGRAM_TAG, RELEASE_TAG
from laion_pipeline.outcome import Outcome
from laion_pipeline.session import Session

PROGRAM = "python -m assets"
# Dagster's own log repeats every step and error; the library's says what a person wants to know.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def materialize_everything(session: Session) -> Outcome:
    """Materialize every asset in one run, recorded in the instance of DAGSTER_HOME."""
    with open_instance(session, PROGRAM) as instance:
        fail_dead_runs(instance)
        gc.freeze()  # what is loaded by now stays, and takes long to be gone through
        job = defs.resolve_implicit_global_asset_job_def()
        run_id = str(uuid4())
        with kept_alive(instance, run_id, PROGRAM), canceled_if_interrupted(instance, run_id):
            job.execute_in_process(
                instance=instance,
                run_id=run_id,
                run_config=_QUIET,
                raise_on_error=False,
                tags={PROGRAM_TAG: PROGRAM, RELEASE_TAG: session.release.name},
            )
        return outcome_of_run(instance, run_id, session)
