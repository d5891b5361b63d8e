-- How each score is spread over the valid pairs: one row a score, quantiles exact.
-- Between two ranks a quantile is interpolated linearly.
with scored as (
    select 'aesthetic' as score, count(*) as pairs, count(aesthetic) as present,
        min(aesthetic) as minimum, max(aesthetic) as maximum,
        avg(aesthetic) as mean, stddev_samp(aesthetic) as stddev,
        quantile_cont(aesthetic, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as quantiles
    from valid_pairs
    union all
    select 'similarity', count(*), count(similarity),
        min(similarity), max(similarity),
        avg(similarity), stddev_samp(similarity),
        quantile_cont(similarity, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    from valid_pairs
    union all
    select 'punsafe', count(*), count(punsafe),
        min(punsafe), max(punsafe),
        avg(punsafe), stddev_samp(punsafe),
        quantile_cont(punsafe, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    from valid_pairs
    union all
    select 'pwatermark', count(*), count(pwatermark),
        min(pwatermark), max(pwatermark),
        avg(pwatermark), stddev_samp(pwatermark),
        quantile_cont(pwatermark, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    from valid_pairs
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
