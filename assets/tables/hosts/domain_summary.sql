-- The domains that a public summary of training content lists: the largest tenth by content.
-- The template of the European Commission (Regulation (EU) 2024/1689, Article 53 (1) (d)) asks for
-- the top 10 % of the domain names by the size of the content, and from small and medium-sized
-- enterprises for the top 5 % or 1,000, whichever is fewer. Content is counted in pairs here.
with ranked as (
    select
        row_number() over (order by pairs desc, host) as rank,
        host,
        pairs,
        sum(pairs) over () as all_pairs,
        count(*) over () as domains
    from host_totals
)
select
    rank, -- 1 has the most pairs; ties go by the name
    host as domain, -- The registrable domain, in small letters
    pairs, -- Valid pairs whose image it serves
    pairs / all_pairs as share, -- Of all valid pairs, from 0 to 1
    rank <= least(ceil(domains * 0.05), 1000) as small_provider -- Whether a small or medium-sized provider lists it, too
from ranked
where rank <= ceil(domains * 0.1)
order by rank;

-- A tenth of the domains is listed, the largest ones, and of small providers no more than 1,000.
select rank, domain, pairs, share
from (
    select
        *,
        row_number() over (order by rank) as expected,
        lag(pairs) over (order by rank) as before,
        sum(case when small_provider then 1 else 0 end) over () as small,
        count(*) over (partition by domain) as times,
        (select count(*) from valid_pairs) as all_pairs
    from domain_summary
)
where (
    rank = expected and times = 1 and pairs <= coalesce(before, pairs)
    and abs(share - pairs / all_pairs) <= 1e-9
    and small between 1 and 1000 and small_provider = (rank <= small)
) is not true
union all
select null, null, domains, null
from (select count(*) as domains from host_totals)
where ceil(domains * 0.1) <> (select count(*) from domain_summary)
