"""How a LAION metadata release becomes a DuckDB warehouse; knows nothing of the orchestrator."""

import os

# Nobody is told what is done here. The libraries read these when they are imported.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
