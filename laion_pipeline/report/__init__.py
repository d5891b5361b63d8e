"""The report: one self-contained page, rendered from the warehouse and the charts."""

from laion_pipeline.report.report import render_report

__all__ = ["render_report"]
