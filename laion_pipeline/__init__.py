"""How a LAION metadata release becomes a DuckDB warehouse; knows nothing of the orchestrator."""

__version__ = "0.1.0"
