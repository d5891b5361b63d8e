"""What a person does in Dagster about an error of the library, which knows nothing of Dagster."""

from laion_pipeline.errors import LaionError
from laion_pipeline.tables.table import LOADED_TABLES
from laion_pipeline.warehouse.cleaned import CLEANED_HASHES


def asset_of(relation: str) -> str:
    """The asset that a table or view of the warehouse, or a file, is made by."""
    return "pairs" if relation in LOADED_TABLES - {CLEANED_HASHES} else relation


def told(error: LaionError) -> str:
    """An error as one line that ends in what to do."""
    if not error.needs:
        return str(error)
    # Of shards it is the files that are needed, not their ledger, which `pairs` keeps.
    assets = dict.fromkeys(name if name == "shards" else asset_of(name) for name in error.needs)
    return f"{error}; materialize {', '.join(f'`{asset}`' for asset in assets)} first"
