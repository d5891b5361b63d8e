"""Settings of the test run."""

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
