"""The report: one self-contained page, rendered from the warehouse and the charts."""

from laion_pipeline.report.report import REPORTED_TABLES, ReportContent, render_report

__all__ = ["REPORTED_TABLES", "ReportContent", "render_report"]
