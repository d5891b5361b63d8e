"""What the report tells, and in which order: its sections, each with its charts and tables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A part of the page by name: its title, what it is about, and the charts and tables in it.

    A template of that name in `sections` says more, where there is more to say. It is there only if
    the table `if_any` has a row.
    """

    name: str
    title: str
    about: str
    charts: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    if_any: str = ""


STORY = (
    Section(
        "quality",
        "How much of it is sound",
        "Every row was held against the contract. Rows that break a rule are kept, but set apart in"
        " quarantine; everything below counts valid rows only.",
        tables=("quarantine_counts",),
    ),
    Section(
        "scores",
        "The scores",
        "What models say of each pair: how well the caption fits the image, how it looks, and"
        " whether it is unsafe or has a watermark. None of them is the truth about an image.",
        charts=(
            *("aesthetic_distribution", "score_distributions", "threshold_curves"),
            *("score_densities", "correlation_matrix"),
        ),
        tables=(
            *("score_summary", "score_thresholds", "score_correlations", "score_histogram"),
            *("score_joint_histogram", "scores_by_shard"),
        ),
    ),
    Section(
        "sizes",
        "Sizes, and what cropping does to them",
        "Sizes are those the release states, which is what its makers saw; images may have changed"
        " since.",
        charts=("top_resolutions", "resolution_shapes", "training_crops"),
        tables=("resolution_summary", "crop_loss", "resolution_counts"),
    ),
    Section(
        "similarity",
        "What low similarity means",
        "Pairs whose caption fits the image least, by CLIP, are not a random part of the release.",
        charts=("similarity_tenths",),
        tables=("similarity_by_size", "similarity_by_caption"),
    ),
    Section(
        "captions",
        "The captions",
        "Captions are what web pages said of their images, for people who cannot see them or for"
        " search engines.",
        charts=("top_words",),
        tables=("caption_summary", "caption_words", "captions_by_shard"),
    ),
    Section(
        "terms",
        "Whom the scores favour",
        "How much more often than overall the captions of pairs with a certain score have the terms"
        " asked about. It is relative: of those that a release left out by their scores, such as"
        " all up to 7 in LAION-Aesthetics V1, nothing is known. A term says what captions say,"
        " which is not who is to be seen.",
        charts=("term_curves",),
        tables=("term_lift",),
        if_any="term_lift",
    ),
    Section(
        "hosts",
        "Who hosts it",
        "Hosts are registrable domains, by the public suffix list. Much of the release comes from"
        " few of them.",
        charts=("top_hosts",),
        tables=("host_counts", "domain_summary", "host_totals"),
    ),
    Section(
        "duplicates",
        "What is there more than once",
        "Only exact repeats are seen. Of LAION-2B about 30 % were found to look nearly alike, so"
        " that this is the least there is.",
        charts=("duplicate_sizes",),
        tables=("duplicate_summary", "duplicate_groups", "duplicates"),
    ),
    Section(
        "safety",
        "What a cleaned release no longer has",
        "Pairs that the makers took out of a later release, such as links to what may not be shown."
        " They are counted here and listed nowhere; subsets leave them out.",
        tables=("safety_overlay",),
        if_any="safety_overlay",
    ),
    Section(
        "extremes",
        "The extremes",
        "The best and the worst by each score. The captions are strangers' words, shown as they"
        " are, with invisible characters as escapes.",
        tables=("extreme_summary", "score_extremes"),
    ),
    Section(
        "filters",
        "Filters for training",
        "What published models were trained on, as conditions on these columns, and how many pairs"
        " each condition would leave.",
        charts=("training_funnels",),
        tables=("training_filters",),
    ),
    Section(
        "changes",
        "What changed since the previous revision",
        "",
        tables=("revision_drift", "revision_diff", "release_history"),
    ),
    Section(
        "provenance",
        "Where every number comes from",
        "Every row of pairs names its shard; these are the shards, each as its content was when it"
        " was loaded. Every table above has its SQL, which can be run again on the warehouse.",
    ),
)

REPORTED_TABLES = tuple(table for section in STORY for table in section.tables)
# What a section's template shows of them, it shows in its own way.
TOLD_OTHERWISE = {"score_extremes"}
