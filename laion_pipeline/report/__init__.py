"""The report: one self-contained page, rendered from the warehouse and the charts."""

from laion_pipeline.report.content import ReportContent
from laion_pipeline.report.gallery import EXTREMES_SHOWN
from laion_pipeline.report.report import SCRIPT_SOURCE, render_report
from laion_pipeline.report.story import REPORTED_TABLES

__all__ = ["EXTREMES_SHOWN", "REPORTED_TABLES", "SCRIPT_SOURCE", "ReportContent", "render_report"]
