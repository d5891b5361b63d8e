-- Does low similarity go with small images? The valid pairs of known size in ten tenths by similarity.
-- A tenth ends at a decile and includes it, so that equal similarities stay together: where many are
-- equal, tenths differ in size, or one is missing. The effect size is Cohen's d, by the logarithm
-- of the pixels: 0.2 is commonly called small, 0.5 medium, 0.8 large.
with ranked as (
    select similarity, width, height, rank() over (order by similarity) as rank
    from valid_pairs
    where similarity is not null and width is not null and height is not null
),
-- The same sizes come again and again: what there is to compute is computed once for each.
sized as (
    select
        (rank - 1) * 10 // known.pairs + 1 as tenth,
        width,
        height,
        count(*) as pairs,
        min(similarity) as lowest,
        max(similarity) as highest
    from ranked
    cross join (
        select count(*) as pairs
        from valid_pairs
        where similarity is not null and width is not null and height is not null
    ) as known
    group by tenth, width, height
),
measured as (
    select
        *,
        cast(width as double) * height as pixels,
        -- in units of 2^-24, whose sums are exact
        cast(log2(cast(width as double) * height) * 16777216 as hugeint) as size
    from sized
),
-- The pairs of a tenth in order of their pixels, to find the one or two in the middle.
lined_up as (
    select
        *,
        sum(pairs) over (partition by tenth order by pixels) as up_to,
        sum(pairs) over (partition by tenth) as of_tenth
    from measured
),
summed as (
    select
        tenth,
        min(lowest) as lowest,
        max(highest) as highest,
        cast(sum(pairs) as bigint) as pairs,
        cast(sum(cast(pixels as hugeint) * pairs) as double) / sum(pairs) as mean_pixels,
        (
            min(case when up_to * 2 >= of_tenth then pixels end)
            + min(case when up_to * 2 > of_tenth then pixels end)
        ) / 2 as median_pixels,
        cast(sum(case when least(width, height) < 256 then pairs else 0 end) as bigint) as small,
        sum(size * pairs) as sizes,
        sum(size * size * pairs) as squares
    from lined_up
    group by tenth
),
compared as (
    select
        *,
        sum(pairs) over () as all_pairs,
        sum(sizes) over () as all_sizes,
        sum(squares) over () as all_squares
    from summed
)
select
    tenth, -- 1 holds the pairs of the lowest similarity, 10 those of the highest
    lowest as lowest_similarity, -- Lowest similarity in the tenth
    highest as highest_similarity, -- Highest similarity in the tenth
    pairs, -- Valid pairs of known size in the tenth
    mean_pixels, -- Mean of width x height, in px
    median_pixels, -- Median of width x height, in px
    small / pairs as small_share, -- Of the pairs of the tenth those with a shortest side below 256 px, from 0 to 1
    (cast(sizes as double) / pairs - cast(all_sizes as double) / all_pairs)
        / nullif(sqrt(all_pairs * all_squares - all_sizes * all_sizes) / all_pairs, 0)
        as effect_size -- Mean of log2 of the pixels less that of all pairs of known size, in standard deviations of all; null where all are equal
from compared
order by tenth;

-- The tenths hold every valid pair of known size, touch without overlapping, and balance out.
select tenth, lowest_similarity, highest_similarity, pairs, expected
from (
    select
        *,
        lag(highest_similarity) over (order by tenth) as before,
        lag(tenth) over (order by tenth) as tenth_before,
        sum(pairs) over () as held,
        sum(pairs * effect_size) over () / sum(pairs) over () as balance,
        (
            select count(*)
            from valid_pairs
            where similarity is not null and width is not null and height is not null
        ) as expected
    from similarity_by_size
)
where (
    held = expected
    and lowest_similarity <= highest_similarity
    and (before is null or before < lowest_similarity)
    and coalesce(tenth_before, 0) < tenth and tenth <= 10
    and median_pixels > 0 and mean_pixels > 0
    and small_share between 0 and 1
    and abs(coalesce(balance, 0)) <= 1e-6
) is not true
union all
select null, null, null, 0, count(*)
from valid_pairs
where similarity is not null and width is not null and height is not null
having count(*) > 0 and (select count(*) from similarity_by_size) = 0
