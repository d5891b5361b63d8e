"""What the stages of a program are about, so that programs with other stages can be compared."""

from collections import defaultdict
from collections.abc import Mapping

from bench.measuring import Usage
from bench.tables import TABLES
from laion_pipeline.charts import CHARTS

_OTHERS = {
    "shards": "verify", "load": "load", "pairs": "load", "valid_pairs": "load", "checks": "checks",
    "pairs_contract": "checks", "quarantine": "checks", "report": "charts and report",
    **{chart.name: "charts and report" for chart in CHARTS},
}  # fmt: skip
OTHER = "other"
# The pipeline's second run, with what it had made before.
REFRESH = "pipeline, 1 shard new"
# What there is beside the stages: starting, importing, ending.
AROUND = "start and end"


def by_subject(usage: Usage) -> Mapping[str, float]:
    """The seconds of each subject: a folder of tables, or what else there is to do."""
    tables = {file.stem: file.parent.name for file in TABLES.rglob("*.sql")}
    found: dict[str, float] = defaultdict(float)
    for stage, seconds in usage.stages.items():
        found[_OTHERS.get(stage) or tables.get(stage, OTHER)] += seconds
    found[AROUND] = max(0.0, usage.wall_seconds - sum(usage.stages.values()))
    return found
