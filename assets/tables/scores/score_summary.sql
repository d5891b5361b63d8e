-- How each score is spread over the valid pairs: one row a score, quantiles exact.
-- Between two ranks a quantile is interpolated linearly. Mean and deviation are summed in whole
-- numbers, whose sum does not depend on the order of the rows: the same pairs give the same bytes.
with counted as (
    select count(*) as pairs
    from valid_pairs
),
limits as (
    select score, min(value) as minimum, max(value) as maximum
    from pair_scores
    group by score
),
-- Each score by its place between the lowest, 0, and the highest, 1; null where all are equal.
placed as (
    select
        pair_scores.score,
        pair_scores.value + 0 as value, -- which makes 0 of -0
        (pair_scores.value - limits.minimum) / nullif(limits.maximum - limits.minimum, 0) as place
    from pair_scores
    join limits on limits.score = pair_scores.score
),
-- Places in units of 2^-52, which is as fine as a double is close to 1.
summed as (
    select score, min(value) as minimum, max(value) as maximum, count(*) as present,
        cast(sum(cast(place * 4503599627370496 as bigint)) as double) / 4503599627370496 as places,
        cast(sum(cast(place * place * 4503599627370496 as bigint)) as double)
            / 4503599627370496 as squared_places,
        quantile_cont(value, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as quantiles
    from placed
    group by score
),
scored as (
    select summed.score, counted.pairs, present, minimum, maximum, quantiles,
        minimum + coalesce((maximum - minimum) * (places / present), 0) as mean,
        case
            when present > 1 then coalesce(
                (maximum - minimum)
                    * sqrt(greatest(0, squared_places - places * (places / present)) / (present - 1)),
                0
            )
        end as stddev
    from summed
    cross join counted
)
select
    score, -- Name of the score; one that the release lacks has no row
    present as pairs, -- Valid pairs that have the score
    pairs - present as nulls, -- Valid pairs that lack it
    minimum, -- Lowest score
    maximum, -- Highest score
    mean, -- Arithmetic mean
    stddev, -- Sample standard deviation; null for a single pair
    quantiles[1] as p01, -- 1 % of the pairs score lower
    quantiles[2] as p05, -- 5 % of the pairs score lower
    quantiles[3] as p25, -- A quarter of the pairs scores lower
    quantiles[4] as p50, -- Median
    quantiles[5] as p75, -- A quarter of the pairs scores higher
    quantiles[6] as p95, -- 5 % of the pairs score higher
    quantiles[7] as p99 -- 1 % of the pairs score higher
from scored
order by score;

-- Every score is there, with the pairs that have it, and its quantiles rise from end to end.
select expected.score, expected.pairs as expected_pairs, score_summary.pairs
from (
    select score, count(*) as pairs, (select count(*) from valid_pairs) as valid
    from pair_scores
    group by score
) as expected
left join score_summary on score_summary.score = expected.score
where (
    score_summary.pairs = expected.pairs
    and nulls = expected.valid - expected.pairs
    -- the mean and the quantiles of equal scores may differ from them by their rounding
    and mean >= minimum - 1e-9 and mean <= maximum + 1e-9
    and p01 >= minimum - 1e-9 and p99 <= maximum + 1e-9
    and p01 <= p05 + 1e-9 and p05 <= p25 + 1e-9 and p25 <= p50 + 1e-9
    and p50 <= p75 + 1e-9 and p75 <= p95 + 1e-9 and p95 <= p99 + 1e-9
) is not true
