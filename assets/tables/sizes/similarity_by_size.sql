-- Does low similarity go with small images? The valid pairs of known size in ten tenths by similarity.
-- A tenth ends at a decile and includes it, so that equal similarities stay together: where many are
-- equal, tenths differ in size, or one is missing. The effect size is Cohen's d, by the logarithm
-- of the pixels: 0.2 is commonly called small, 0.5 medium, 0.8 large.
with stepped as (
    -- In steps of 2^-13, so that not all similarities have to be sorted.
    select cast(floor(similarity * 8192) as integer) as step, count(*) as pairs
    from valid_pairs
    where similarity is not null and width is not null and height is not null
    group by step
),
lined_up as (
    select
        step,
        pairs,
        sum(pairs) over (order by step) - pairs as below,
        sum(pairs) over () as all_pairs
    from stepped
),
-- The rank of the last pair of each tenth, counted from 1.
wanted as (
    select tenth, (tenth * all_pairs + 9) // 10 as rank
    from (select max(all_pairs) as all_pairs from lined_up)
    cross join (values (1), (2), (3), (4), (5), (6), (7), (8), (9)) as tenths (tenth)
),
-- The few steps that hold them: only their similarities are sorted.
opened as (
    select distinct lined_up.step, lined_up.below
    from lined_up
    join wanted
        on lined_up.below < wanted.rank
        and lined_up.below + lined_up.pairs >= wanted.rank
),
ranked as (
    select
        similarity,
        opened.below + row_number() over (partition by opened.step order by similarity) as rank
    from valid_pairs
    join opened on opened.step = cast(floor(similarity * 8192) as integer)
    where similarity is not null and width is not null and height is not null
),
edges as (
    select
        max(case when tenth = 1 then similarity end) as e1,
        max(case when tenth = 2 then similarity end) as e2,
        max(case when tenth = 3 then similarity end) as e3,
        max(case when tenth = 4 then similarity end) as e4,
        max(case when tenth = 5 then similarity end) as e5,
        max(case when tenth = 6 then similarity end) as e6,
        max(case when tenth = 7 then similarity end) as e7,
        max(case when tenth = 8 then similarity end) as e8,
        max(case when tenth = 9 then similarity end) as e9
    from wanted
    join ranked on ranked.rank = wanted.rank
),
-- The same sizes come again and again: what there is to compute is computed once for each.
sized as (
    select
        case
            when similarity <= e1 then 1
            when similarity <= e2 then 2
            when similarity <= e3 then 3
            when similarity <= e4 then 4
            when similarity <= e5 then 5
            when similarity <= e6 then 6
            when similarity <= e7 then 7
            when similarity <= e8 then 8
            when similarity <= e9 then 9
            else 10
        end as tenth,
        width,
        height,
        count(*) as pairs,
        min(similarity) as lowest,
        max(similarity) as highest
    from valid_pairs
    cross join edges
    where similarity is not null and width is not null and height is not null
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
by_pixels as (
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
    from by_pixels
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
