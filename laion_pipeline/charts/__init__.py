"""Charts: one function each, drawn from derived tables only, never from `pairs`."""

from laion_pipeline.charts.captions import TOP_WORDS
from laion_pipeline.charts.chart import Chart, ChartResult, preview, render_chart, require_current
from laion_pipeline.charts.correlations import CORRELATION_MATRIX
from laion_pipeline.charts.cropping import TRAINING_CROPS
from laion_pipeline.charts.densities import SCORE_DENSITIES
from laion_pipeline.charts.duplicates import DUPLICATE_SIZES
from laion_pipeline.charts.filters import TRAINING_FUNNELS
from laion_pipeline.charts.hosts import TOP_HOSTS
from laion_pipeline.charts.resolutions import TOP_RESOLUTIONS
from laion_pipeline.charts.scores import AESTHETIC_DISTRIBUTION, SCORE_DISTRIBUTIONS
from laion_pipeline.charts.shapes import RESOLUTION_SHAPES
from laion_pipeline.charts.similarity import SIMILARITY_TENTHS
from laion_pipeline.charts.terms import TERM_CURVES
from laion_pipeline.charts.thresholds import THRESHOLD_CURVES

CHARTS: tuple[Chart, ...] = (
    AESTHETIC_DISTRIBUTION, SCORE_DISTRIBUTIONS, THRESHOLD_CURVES, SCORE_DENSITIES,
    CORRELATION_MATRIX, TOP_RESOLUTIONS, RESOLUTION_SHAPES, TRAINING_CROPS, SIMILARITY_TENTHS,
    TOP_WORDS, TERM_CURVES, TOP_HOSTS, DUPLICATE_SIZES, TRAINING_FUNNELS,
)  # fmt: skip

__all__ = ["CHARTS", "Chart", "ChartResult", "preview", "render_chart", "require_current"]
