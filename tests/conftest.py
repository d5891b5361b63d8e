"""Settings of the test run."""

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from assets import resources

# Before any asset takes it up: retries are made, and not waited for.
SECONDS_TO_RETRY = resources.SECONDS_TO_RETRY
resources.SECONDS_TO_RETRY = 0.0

# The same examples every time: a failure on one machine is a failure on all.
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=40)
# To search further: pytest --hypothesis-profile=search
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("fixed")


class _ModulesAndPrograms(LoadScopeScheduling):  # type: ignore[misc]  # is untyped
    """Gives each module to one worker, and all tests of programs to the same one.

    Each of those starts several programs already. Two at once keep each other waiting, the longer
    the slower the machine is.
    """

    def _split_scope(self, nodeid: str) -> str:
        is_of_programs = nodeid.startswith("tests/end_to_end/")
        return "programs" if is_of_programs else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Who is given which tests, where there are several workers."""
    return _ModulesAndPrograms(config, log)
