-- Which sites the images come from, commonest first: registrable hosts with at least 10 valid pairs.
-- Shares are of all valid pairs, also of those of the hosts left out here.
with ranked as (
    select
        row_number() over (order by pairs desc, host) as rank,
        *,
        sum(pairs) over () as all_pairs,
        sum(pairs) over (order by pairs desc, host rows unbounded preceding) as so_far
    from host_totals
)
select
    rank, -- 1 is the commonest; ties go by the name
    host, -- The registrable host, in small letters
    pairs, -- Valid pairs whose image it serves
    pairs / all_pairs as share, -- Of all valid pairs, from 0 to 1
    so_far / all_pairs as cumulative_share, -- Share of the pairs that this host and all before it serve
    mean_aesthetic, -- Mean aesthetic score; null where the release has none
    mean_punsafe, -- Mean probability of being unsafe; null where the release has none
    mean_pwatermark, -- Mean probability of a watermark; null where the release has none
    watermarked_share -- Of its pairs those with a pwatermark of at least 0.5, from 0 to 1; null where the release has none
from ranked
where pairs >= 10
order by rank;

-- Ranks count from 1, the commoner hosts come first, and shares add up to the cumulative one.
select rank, host, pairs, share, cumulative_share
from (
    select
        *,
        row_number() over (order by rank) as expected,
        lag(pairs) over (order by rank) as before,
        sum(pairs) over (order by rank rows unbounded preceding) as so_far,
        count(*) over (partition by host) as times,
        (select count(*) from valid_pairs) as all_pairs
    from host_counts
)
where (
    rank = expected and times = 1 and pairs >= 10 and pairs <= coalesce(before, pairs)
    and abs(share - pairs / all_pairs) <= 1e-9
    and abs(cumulative_share - so_far / all_pairs) <= 1e-9
) is not true
union all
select null, null, hosts, null, null
from (select count(*) as hosts from host_totals where pairs >= 10)
where hosts <> (select count(*) from host_counts)
