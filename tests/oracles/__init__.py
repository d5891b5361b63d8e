"""The derived tables computed another way: rows in, the lines that a table should have out."""

from tests.oracles import captions, duplicates, extremes, hosts, scores, sizes, terms

# Those of a whole release that are to be equal but for rounding; others are compared where they are
# told of.
ORACLES = {
    "score_summary": scores.score_summary,
    "score_histogram": scores.score_histogram,
    "score_joint_histogram": scores.score_joint_histogram,
    "score_thresholds": scores.score_thresholds,
    "resolution_counts": sizes.resolution_counts,
    "resolution_summary": sizes.resolution_summary,
    "crop_loss": sizes.crop_loss,
    "similarity_by_size": sizes.similarity_by_size,
    "similarity_by_caption": captions.similarity_by_caption,
    "caption_summary": captions.caption_summary,
    "caption_words": captions.caption_words,
    "term_lift": terms.term_lift,
    "extreme_summary": extremes.extreme_summary,
    "host_totals": hosts.host_totals,
    "host_counts": hosts.host_counts,
    "domain_summary": hosts.domain_summary,
    "duplicates": duplicates.duplicates,
    "duplicate_groups": duplicates.duplicate_groups,
    "duplicate_summary": duplicates.duplicate_summary,
}
