"""The report: one self-contained page, rendered from the warehouse and the charts."""

from laion_pipeline.report.report import ReportContent, render_report

__all__ = ["ReportContent", "render_report"]
