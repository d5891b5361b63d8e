-- What is there most often: the 1,000 commonest of the URLs and of the hashes that several pairs have.
with ranked as (
    select row_number() over (partition by key order by pairs desc, value) as rank, *
    from duplicates
)
select
    key, -- What is the same: 'url', or 'hash' of URL and caption
    rank, -- 1 has the most pairs; ties go by the value
    value, -- The URL, or the hash in decimal digits
    pairs -- Valid pairs that have it
from ranked
where rank <= 1000
order by key, rank;

-- Ranks count from 1 for each key, the commonest values come first, and each has the pairs it has.
select key, rank, value, pairs
from (
    select
        duplicate_groups.*,
        duplicates.pairs as expected,
        row_number() over (partition by duplicate_groups.key order by rank) as place,
        lag(duplicate_groups.pairs) over (partition by duplicate_groups.key order by rank) as before
    from duplicate_groups
    left join duplicates
        on duplicates.key = duplicate_groups.key and duplicates.value = duplicate_groups.value
)
where (
    rank = place and rank <= 1000 and pairs = expected and pairs <= coalesce(before, pairs)
) is not true
union all
select key, null, null, groups
from (select key, least(count(*), 1000) as groups from duplicates group by key) as expected
where groups <> (select count(*) from duplicate_groups where duplicate_groups.key = expected.key)
