-- What are captions like that match their image badly? The valid pairs in ten tenths by similarity.
-- A tenth ends at a decile and includes it, so that equal similarities stay together: where many are
-- equal, tenths differ in size, or one is missing. The effect size is Cohen's d, by the number of
-- characters: 0.2 is commonly called small, 0.5 medium, 0.8 large.
with stepped as (
    -- In steps of 2^-13, so that not all similarities have to be sorted.
    select cast(floor(similarity * 8192) as integer) as step, count(*) as pairs
    from valid_pairs
    where similarity is not null
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
    where similarity is not null
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
-- Captions are as long as many others: most of what there is to compute is computed once for each
-- length.
placed as (
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
        characters,
        count(*) as pairs,
        min(similarity) as lowest,
        max(similarity) as highest,
        sum(case when has_few_words then 1 else 0 end) as short,
        sum(case when only_digits then 1 else 0 end) as only_digits
    from pair_captions
    cross join edges
    where similarity is not null
    group by tenth, characters
),
-- The pairs of a tenth in order of the captions' length, to find the one or two in the middle.
by_length as (
    select
        *,
        sum(pairs) over (partition by tenth order by characters) as up_to,
        sum(pairs) over (partition by tenth) as of_tenth
    from placed
),
summed as (
    select
        tenth,
        min(lowest) as lowest,
        max(highest) as highest,
        cast(sum(pairs) as bigint) as pairs,
        sum(characters * pairs) as characters,
        sum(cast(characters as hugeint) * characters * pairs) as squares,
        cast(
            min(case when up_to * 2 >= of_tenth then characters end)
            + min(case when up_to * 2 > of_tenth then characters end) as double
        ) / 2 as median_characters,
        cast(sum(short) as bigint) as short,
        cast(sum(only_digits) as bigint) as only_digits
    from by_length
    group by tenth
),
compared as (
    select
        *,
        sum(pairs) over () as all_pairs,
        sum(characters) over () as all_characters,
        sum(squares) over () as all_squares,
        sum(only_digits) over () as all_only_digits
    from summed
)
select
    tenth, -- 1 holds the pairs of the lowest similarity, 10 those of the highest
    lowest as lowest_similarity, -- Lowest similarity in the tenth
    highest as highest_similarity, -- Highest similarity in the tenth
    pairs, -- Valid pairs in the tenth
    cast(characters as double) / pairs as mean_characters, -- Mean length of the caption, in characters
    median_characters, -- Median length of the caption, in characters
    short / pairs as short_share, -- Of the pairs of the tenth those whose caption has fewer than three words, from 0 to 1
    only_digits / pairs as only_digits_share, -- Of the pairs of the tenth those whose caption is only digits, from 0 to 1
    only_digits / pairs * all_pairs / nullif(all_only_digits, 0) as only_digits_ratio, -- That share as a multiple of the share among all; null where no caption is only digits
    (cast(characters as double) / pairs - cast(all_characters as double) / all_pairs)
        / nullif(sqrt(all_pairs * all_squares - all_characters * all_characters) / all_pairs, 0)
        as effect_size -- Mean length less that of all captions, in standard deviations of all; null where all are equal
from compared
order by tenth;

-- The tenths hold every valid pair that has a similarity, touch without overlapping, and balance out.
select tenth, lowest_similarity, highest_similarity, pairs, expected
from (
    select
        *,
        lag(highest_similarity) over (order by tenth) as before,
        lag(tenth) over (order by tenth) as tenth_before,
        sum(pairs) over () as held,
        sum(pairs * effect_size) over () / sum(pairs) over () as balance,
        sum(pairs * only_digits_ratio) over () / sum(pairs) over () as ratio,
        (select count(*) from valid_pairs where similarity is not null) as expected
    from similarity_by_caption
)
where (
    held = expected
    and lowest_similarity <= highest_similarity
    and (before is null or before < lowest_similarity)
    and coalesce(tenth_before, 0) < tenth and tenth <= 10
    and median_characters > 0 and mean_characters > 0
    and short_share between 0 and 1 and only_digits_share between 0 and 1
    and abs(coalesce(balance, 0)) <= 1e-6
    and abs(coalesce(ratio, 1) - 1) <= 1e-6
) is not true
union all
select null, null, null, 0, count(*)
from valid_pairs
where similarity is not null
having count(*) > 0 and (select count(*) from similarity_by_caption) = 0
