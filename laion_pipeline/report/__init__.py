"""The report: one self-contained page, rendered from the warehouse and the charts."""

from laion_pipeline.report.content import ReportContent
from laion_pipeline.report.gallery import BLURRED_FROM, EXTREMES_SHOWN, Card
from laion_pipeline.report.report import SCRIPT_SOURCE, page_environment, render_report
from laion_pipeline.report.rows import Row
from laion_pipeline.report.story import REPORTED_TABLES

__all__ = [
    "BLURRED_FROM",
    "EXTREMES_SHOWN",
    "REPORTED_TABLES",
    "SCRIPT_SOURCE",
    "Card",
    "ReportContent",
    "Row",
    "page_environment",
    "render_report",
]
