-- How each score is spread over the valid pairs: one row a score, quantiles exact.
-- Between two ranks a quantile is interpolated linearly. Mean and deviation are summed in whole
-- numbers, whose sum does not depend on the order of the rows: the same pairs give the same bytes.
with counted as (
    select count(*) as pairs
    from valid_pairs
),
limits as (
    select score, min(value) as minimum, max(value) as maximum, count(*) as present
    from pair_scores
    group by score
),
-- Each score by its place between the lowest, 0, and the highest, 1. All of them are more than there
-- is memory for: they are read twice rather than kept.
placed as not materialized (
    select
        pair_scores.score,
        pair_scores.value + 0 as value, -- which makes 0 of -0
        coalesce(
            (pair_scores.value - limits.minimum) / nullif(limits.maximum - limits.minimum, 0), 0
        ) as place
    from pair_scores
    join limits on limits.score = pair_scores.score
),
-- Counted in 16,384 steps from the lowest to the highest, and summed in units of 2^-52, which is as
-- fine as a double is close to 1. As a column of `placed`, the step makes all of it a third slower.
stepped as (
    select
        score,
        cast(floor(place * 16384) as integer) as step,
        count(*) as pairs,
        sum(cast(place * 4503599627370496 as bigint)) as places,
        sum(cast(place * place * 4503599627370496 as bigint)) as squared_places
    from placed
    group by score, step
),
summed as (
    select
        score,
        cast(sum(places) as double) / 4503599627370496 as places,
        cast(sum(squared_places) as double) / 4503599627370496 as squared_places
    from stepped
    group by score
),
-- The two ranks, counted from 0, that a quantile lies between, and how far from the lower.
wanted as (
    select
        score,
        percent,
        percent * (present - 1) // 100 as lower_rank,
        (percent * (present - 1) + 99) // 100 as upper_rank,
        percent * (present - 1) % 100 / 100 as way
    from limits
    cross join (values (1), (5), (25), (50), (75), (95), (99)) as percents (percent)
),
-- The few steps that hold them: only their scores are sorted.
opened as (
    select distinct lined_up.score, lined_up.step, lined_up.below
    from (
        select *, sum(pairs) over (partition by score order by step) - pairs as below
        from stepped
    ) as lined_up
    join wanted
        on wanted.score = lined_up.score
        and lined_up.below <= wanted.upper_rank
        and lined_up.below + lined_up.pairs > wanted.lower_rank
),
ranked as (
    select
        opened.score,
        placed.value,
        opened.below - 1 + row_number() over (
            partition by opened.score, opened.step order by placed.value
        ) as rank
    from placed
    join opened
        on opened.score = placed.score
        and opened.step = cast(floor(placed.place * 16384) as integer)
),
quantiles as (
    select
        wanted.score,
        wanted.percent,
        min(ranked.value) + (max(ranked.value) - min(ranked.value)) * wanted.way as value
    from wanted
    join ranked
        on ranked.score = wanted.score
        and ranked.rank in (wanted.lower_rank, wanted.upper_rank)
    group by wanted.score, wanted.percent, wanted.way
),
spread as (
    select
        score,
        max(case when percent = 1 then value end) as p01,
        max(case when percent = 5 then value end) as p05,
        max(case when percent = 25 then value end) as p25,
        max(case when percent = 50 then value end) as p50,
        max(case when percent = 75 then value end) as p75,
        max(case when percent = 95 then value end) as p95,
        max(case when percent = 99 then value end) as p99
    from quantiles
    group by score
)
select
    limits.score, -- Name of the score; one that the release lacks has no row
    present as pairs, -- Valid pairs that have the score
    counted.pairs - present as nulls, -- Valid pairs that lack it
    minimum + 0 as minimum, -- Lowest score
    maximum + 0 as maximum, -- Highest score
    minimum + (maximum - minimum) * (places / present) as mean, -- Arithmetic mean
    case
        when present > 1 then (maximum - minimum)
            * sqrt(greatest(0, squared_places - places * (places / present)) / (present - 1))
    end as stddev, -- Sample standard deviation; null for a single pair
    p01, -- 1 % of the pairs score lower
    p05, -- 5 % of the pairs score lower
    p25, -- A quarter of the pairs scores lower
    p50, -- Median
    p75, -- A quarter of the pairs scores higher
    p95, -- 5 % of the pairs score higher
    p99 -- 1 % of the pairs score higher
from limits
join summed on summed.score = limits.score
join spread on spread.score = limits.score
cross join counted
order by limits.score;

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
