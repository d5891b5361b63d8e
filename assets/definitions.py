"""The one place that puts the code location together."""

import dagster as dg

from assets.automation import JOBS, automation
from assets.charts import chart_assets
from assets.cleaned import cleaned_hashes
from assets.explore import search_index
from assets.pairs import pairs
from assets.quality import pairs_contract, quarantine
from assets.report import report
from assets.resources import Laion, load_environment
from assets.shards import DATASET, shards
from assets.subsets import subset
from assets.tables import table_assets
from assets.thumbnails import extreme_thumbnails

load_environment()
_schedule, _sensors = automation()

defs = dg.Definitions(
    assets=[
        *(DATASET, shards, pairs, quarantine, cleaned_hashes),
        *(*table_assets(), *chart_assets(), extreme_thumbnails, search_index, report, subset),
    ],
    asset_checks=[pairs_contract],
    jobs=JOBS,
    schedules=[_schedule],
    sensors=_sensors,
    resources={"laion": Laion.from_environment()},
    # DuckDB has one writer and uses all cores by itself; a process a step would only cost time.
    executor=dg.in_process_executor,
)
