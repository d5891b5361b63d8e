-- How each score is spread over the valid pairs: one row a score, quantiles exact.
-- Between two ranks a quantile is interpolated linearly. Mean and deviation are summed in whole
-- numbers, whose sum does not depend on the order of the rows: the same pairs give the same bytes.
with limits as (
    select
        min(aesthetic) as aesthetic_minimum, max(aesthetic) as aesthetic_maximum,
        min(similarity) as similarity_minimum, max(similarity) as similarity_maximum,
        min(punsafe) as punsafe_minimum, max(punsafe) as punsafe_maximum,
        min(pwatermark) as pwatermark_minimum, max(pwatermark) as pwatermark_maximum
    from valid_pairs
),
-- Each score by its place between the lowest, 0, and the highest, 1; null where all are equal.
placed as (
    select
        aesthetic + 0 as aesthetic, -- which makes 0 of -0
        (aesthetic - aesthetic_minimum) / nullif(aesthetic_maximum - aesthetic_minimum, 0)
            as aesthetic_place,
        similarity + 0 as similarity, -- which makes 0 of -0
        (similarity - similarity_minimum) / nullif(similarity_maximum - similarity_minimum, 0)
            as similarity_place,
        punsafe + 0 as punsafe, -- which makes 0 of -0
        (punsafe - punsafe_minimum) / nullif(punsafe_maximum - punsafe_minimum, 0)
            as punsafe_place,
        pwatermark + 0 as pwatermark, -- which makes 0 of -0
        (pwatermark - pwatermark_minimum) / nullif(pwatermark_maximum - pwatermark_minimum, 0)
            as pwatermark_place
    from valid_pairs
    cross join limits
),
-- Places in units of 2^-52, which is as fine as a double is close to 1.
summed as (
    select 'aesthetic' as score, count(*) as pairs, count(aesthetic) as present,
        min(aesthetic) as minimum, max(aesthetic) as maximum,
        cast(sum(cast(aesthetic_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496 as places,
        cast(sum(cast(aesthetic_place * aesthetic_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496 as squared_places,
        quantile_cont(aesthetic, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as quantiles
    from placed
    union all
    select 'similarity', count(*), count(similarity),
        min(similarity), max(similarity),
        cast(sum(cast(similarity_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496,
        cast(sum(cast(similarity_place * similarity_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496,
        quantile_cont(similarity, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    from placed
    union all
    select 'punsafe', count(*), count(punsafe),
        min(punsafe), max(punsafe),
        cast(sum(cast(punsafe_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496,
        cast(sum(cast(punsafe_place * punsafe_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496,
        quantile_cont(punsafe, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    from placed
    union all
    select 'pwatermark', count(*), count(pwatermark),
        min(pwatermark), max(pwatermark),
        cast(sum(cast(pwatermark_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496,
        cast(sum(cast(pwatermark_place * pwatermark_place * 4503599627370496 as bigint)) as double)
            / 4503599627370496,
        quantile_cont(pwatermark, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    from placed
),
scored as (
    select score, pairs, present, minimum, maximum, quantiles,
        minimum + coalesce((maximum - minimum) * (places / present), 0) as mean,
        case
            when present > 1 then coalesce(
                (maximum - minimum)
                    * sqrt(greatest(0, squared_places - places * (places / present)) / (present - 1)),
                0
            )
        end as stddev
    from summed
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
where present > 0
order by score;

-- Every score is there, with the pairs that have it, and its quantiles rise from end to end.
select expected.score, expected.pairs as expected_pairs, score_summary.pairs
from (
    select 'aesthetic' as score, count(aesthetic) as pairs, count(*) as valid from valid_pairs
    union all
    select 'similarity', count(similarity), count(*) from valid_pairs
    union all
    select 'punsafe', count(punsafe), count(*) from valid_pairs
    union all
    select 'pwatermark', count(pwatermark), count(*) from valid_pairs
) as expected
left join score_summary on score_summary.score = expected.score
where expected.pairs > 0
    and (
        score_summary.pairs = expected.pairs
        and nulls = expected.valid - expected.pairs
        -- the mean and the quantiles of equal scores may differ from them by their rounding
        and mean >= minimum - 1e-9 and mean <= maximum + 1e-9
        and p01 >= minimum - 1e-9 and p99 <= maximum + 1e-9
        and p01 <= p05 + 1e-9 and p05 <= p25 + 1e-9 and p25 <= p50 + 1e-9
        and p50 <= p75 + 1e-9 and p75 <= p95 + 1e-9 and p95 <= p99 + 1e-9
    ) is not true
