-- Which scores go together: how many valid pairs have which two values at once, bin by bin.
-- Bins are those of `score_histogram`, half-open and counted from 0; the pixels of an image are
-- binned by their logarithm, four bins to a doubling. Empty bins are left out.
with bins as (
    select
        max(case when score = 'similarity' then bins_per_unit end) as similarity,
        max(case when score = 'aesthetic' then bins_per_unit end) as aesthetic,
        max(case when score = 'punsafe' then bins_per_unit end) as punsafe,
        max(case when score = 'pwatermark' then bins_per_unit end) as pwatermark,
        4 as size
    from scores
),
binned as (
    select
        similarity_bin,
        aesthetic_bin,
        punsafe_bin,
        pwatermark_bin,
        cast(floor(log2(cast(width as double) * height) * bins.size) as integer) as size_bin
    from pair_bins
    cross join bins
),
-- All combinations in one pass over the pairs.
counted as (
    select
        similarity_bin,
        aesthetic_bin,
        punsafe_bin,
        pwatermark_bin,
        size_bin,
        grouping(similarity_bin, aesthetic_bin, punsafe_bin, pwatermark_bin, size_bin) as left_out,
        count(*) as pairs
    from binned
    group by grouping sets (
        (similarity_bin, size_bin),
        (aesthetic_bin, pwatermark_bin),
        (aesthetic_bin, punsafe_bin),
        (aesthetic_bin, similarity_bin)
    )
),
combined(x, y, x_bin, y_bin, x_bins, y_bins, pairs) as (
    select 'similarity', 'log2 pixels', similarity_bin, size_bin, similarity, size, pairs
    from counted
    cross join bins
    where left_out = 14
    union all
    select 'aesthetic', 'pwatermark', aesthetic_bin, pwatermark_bin, aesthetic, pwatermark, pairs
    from counted
    cross join bins
    where left_out = 21
    union all
    select 'aesthetic', 'punsafe', aesthetic_bin, punsafe_bin, aesthetic, punsafe, pairs
    from counted
    cross join bins
    where left_out = 19
    union all
    select 'aesthetic', 'similarity', aesthetic_bin, similarity_bin, aesthetic, similarity, pairs
    from counted
    cross join bins
    where left_out = 7
)
select
    x, -- What is on the first axis: 'aesthetic' or 'similarity'
    y, -- What is on the second: a score, or 'log2 pixels', the logarithm of width x height to the base of 2
    x_bin / x_bins as x_lower, -- Lowest x in the bin
    (x_bin + 1) / x_bins as x_upper, -- Every x in the bin lies below this
    y_bin / y_bins as y_lower, -- Lowest y in the bin
    (y_bin + 1) / y_bins as y_upper, -- Every y in the bin lies below this
    pairs -- Valid pairs with both in the bin
from combined
where x_bin is not null and y_bin is not null
order by x, y, x_bin, y_bin;

-- The bins of two hold every valid pair that has both, once.
select
    coalesce(held.x, expected.x) as x,
    coalesce(held.y, expected.y) as y,
    held.pairs,
    expected.pairs as expected
from (
    select x, y, sum(pairs) as pairs, min(pairs) as fewest, min(x_upper - x_lower) as narrowest,
        count(*) as bins, count(distinct (x_lower, y_lower)) as different
    from score_joint_histogram
    group by x, y
) as held
full join (
    select 'similarity' as x, 'log2 pixels' as y,
        count(case when similarity is not null and width is not null and height is not null then 1 end)
            as pairs
    from valid_pairs
    union all
    select 'aesthetic', 'pwatermark',
        count(case when aesthetic is not null and pwatermark is not null then 1 end)
    from valid_pairs
    union all
    select 'aesthetic', 'punsafe',
        count(case when aesthetic is not null and punsafe is not null then 1 end)
    from valid_pairs
    union all
    select 'aesthetic', 'similarity',
        count(case when aesthetic is not null and similarity is not null then 1 end)
    from valid_pairs
) as expected on expected.x = held.x and expected.y = held.y
where (
    coalesce(held.pairs, 0) = expected.pairs
    and coalesce(fewest, 1) > 0 and coalesce(narrowest, 1) > 0
    and coalesce(bins = different, true)
) is not true
