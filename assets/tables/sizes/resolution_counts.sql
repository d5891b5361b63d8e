-- How often each width x height occurs among the valid pairs whose size is known, commonest first.
with counted as (
    select width, height, count(*) as pairs
    from valid_pairs
    where width is not null and height is not null
    group by width, height
),
-- Both over the same window, so that the sizes are sorted once.
ranked as (
    select *,
        row_number() over (order by pairs desc, width, height) as rank,
        sum(pairs) over (
            order by pairs desc, width, height
            rows between unbounded preceding and unbounded following
        ) as all_pairs
    from counted
)
select
    rank, -- 1 is the commonest; ties go to the narrower, then the lower
    width, -- Width in px
    height, -- Height in px
    pairs, -- Valid pairs of this size
    pairs / all_pairs as share -- Of the valid pairs whose size is known, from 0 to 1
from ranked
order by pairs desc, width, height;

-- The sizes hold every valid pair whose size is known, and their shares add up to 1.
select expected, pairs, share
from (
    select count(*) as expected
    from valid_pairs
    where width is not null and height is not null
)
cross join (
    select cast(coalesce(sum(pairs), 0) as bigint) as pairs, coalesce(sum(share), 0) as share
    from resolution_counts
)
where pairs <> expected or (expected > 0 and abs(share - 1) > 1e-6)
