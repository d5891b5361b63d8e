"""Settings of the test run."""

import pytest
from hypothesis import settings

from assets import resources

# Before any asset takes it up: retries are made, and not waited for.
SECONDS_TO_RETRY = resources.SECONDS_TO_RETRY
resources.SECONDS_TO_RETRY = 0.0

# The same examples every time: a failure on one machine is a failure on all.
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=40)
# To search further: pytest --hypothesis-profile=search
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each module to one worker, and all tests of programs to the same one.

    Each of those starts several programs already. Two at once keep each other waiting, the longer
    the slower the machine is.
    """
    for item in items:
        module = item.nodeid.partition("::")[0]
        of_programs = module.startswith("tests/end_to_end/")
        item.add_marker(pytest.mark.xdist_group("programs" if of_programs else module))
