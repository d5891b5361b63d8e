-- How many valid pairs have which score: half-open bins counted from 0, empty ones included.
-- How many bins there are a unit of the score is in `scores`.
with counted as (
    select score, bin, cast(sum(pairs) as bigint) as pairs
    from scores_by_shard
    group by score, bin
),
bins as (
    select score, unnest(generate_series(min(bin), max(bin))) as bin
    from counted
    group by score
)
select
    bins.score, -- Name of the score
    bins.bin / scores.bins_per_unit as bin_lower, -- Lowest score in the bin
    (bins.bin + 1) / scores.bins_per_unit as bin_upper, -- Scores in the bin lie below this
    coalesce(counted.pairs, 0) as pairs -- Valid pairs with a score in the bin
from bins
join scores on scores.score = bins.score
left join counted on counted.score = bins.score and counted.bin = bins.bin
order by bins.score, bins.bin;

-- The bins of a score hold every valid pair that has it.
select score, cast(sum(pairs) as bigint) as pairs, max(expected) as expected
from (
    select score, pairs, 0 as expected from score_histogram
    union all
    select score, 0, sum(pairs) from scores_by_shard group by score
)
group by score
having sum(pairs) <> max(expected)
