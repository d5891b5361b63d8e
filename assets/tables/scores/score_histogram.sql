-- How many valid pairs have which score: half-open bins counted from 0, empty ones included.
-- How many bins there are a unit of the score is in `scores`.
with scored as (
    select pair_scores.score, pair_scores.value, scores.bins_per_unit
    from pair_scores
    join scores on scores.score = pair_scores.score
),
-- Multiplying rounds, so a score at the edge of a bin may come out one bin off; dividing a whole
-- number gives the double nearest to the edge, which decides.
guessed as (
    select score, value, bins_per_unit, floor(value * bins_per_unit) as bin
    from scored
),
binned as (
    select
        score,
        bins_per_unit,
        cast(
            case
                when value < bin / bins_per_unit then bin - 1
                when value >= (bin + 1) / bins_per_unit then bin + 1
                else bin
            end as bigint
        ) as bin
    from guessed
),
counted as (
    select score, bins_per_unit, bin, count(*) as pairs
    from binned
    group by score, bins_per_unit, bin
),
bins as (
    select score, bins_per_unit, unnest(generate_series(min(bin), max(bin))) as bin
    from counted
    group by score, bins_per_unit
)
select
    bins.score, -- Name of the score
    bins.bin / bins.bins_per_unit as bin_lower, -- Lowest score in the bin
    (bins.bin + 1) / bins.bins_per_unit as bin_upper, -- Scores in the bin lie below this
    coalesce(counted.pairs, 0) as pairs -- Valid pairs with a score in the bin
from bins
left join counted on counted.score = bins.score and counted.bin = bins.bin
order by bins.score, bins.bin;

-- The bins of a score hold every valid pair that has it.
select score, cast(sum(pairs) as bigint) as pairs, max(expected) as expected
from (
    select score, pairs, 0 as expected from score_histogram
    union all
    select score, 0, count(*) from pair_scores group by score
)
group by score
having sum(pairs) <> max(expected)
