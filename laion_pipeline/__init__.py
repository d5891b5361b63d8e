"""How a LAION metadata release becomes a DuckDB warehouse; knows nothing of the orchestrator.

`laion_pipeline.open("laion2B-en-aesthetic")` reads what was made of one, in notebooks and scripts.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laion_pipeline.reading import ReleaseReader
    from laion_pipeline.subsets.subset import Subset

# Nobody is told what is done here. The libraries read these when they are imported.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"


def open(  # noqa: A001 - as in laion_pipeline.open(...)
    release: str = "", data_dir: str | Path = ""
) -> "ReleaseReader":
    """A release that has been materialized, to read its tables, charts and check results.

    `release` is a name or the path of a TOML file, as in LAION_RELEASE, and `data_dir` the folder
    of LAION_DATA_DIR; both are as those variables say where they are not given.

    Raises SettingsError when there is no such release, and WarehouseError when nothing has been
    made of it there.
    """
    from laion_pipeline.reading import ReleaseReader

    return ReleaseReader.open(release, data_dir)


def subset(release: str = "", data_dir: str | Path = "", **fields: Any) -> "Subset":
    """The pairs of a materialized release that a filter keeps, to be looked at.

    `fields` are those of `subsets.filter.SubsetFilter`, as a TOML file has them.

    Raises what `open` raises, and SettingsError naming what is wrong with the filter.
    """
    return open(release, data_dir).subset(**fields)
