-- Every URL and every hash that more than one valid pair has, and how many have it.
-- A hash is of URL and caption together. Images that only look alike are not seen: published counts
-- find about 30 % of LAION-2B to be near-duplicates (Webster and others 2023, arXiv 2303.12733), so
-- what is here is a lower bound. Other tables about duplicates are made from this one.
with repeated as (
    -- Numbers are compared much sooner than URLs: only those whose number repeats are read again.
    select hash(url) as number
    from valid_pairs
    group by hash(url)
    having count(*) > 1
)
select
    'url' as key, -- What is the same: 'url', or 'hash' of URL and caption
    url as value, -- The URL, or the hash in decimal digits
    count(*) as pairs -- Valid pairs that have it
from valid_pairs
where hash(url) in (select number from repeated)
group by url
having count(*) > 1
union all
select 'hash', cast(hash as varchar), count(*)
from valid_pairs
where hash is not null
group by hash
having count(*) > 1
order by key, pairs desc, value;

-- A value is there once, with more than one pair; and counted again, of hashes all and of URLs those
-- whose length leaves 3 when divided by 8, values have as many pairs as they say, and none is missing.
with again as (
    select 'hash' as key, cast(hash as varchar) as value, count(*) as pairs
    from valid_pairs
    where hash is not null
    group by hash
    having count(*) > 1
    union all
    select 'url', url, count(*)
    from valid_pairs
    where length(url) % 8 = 3
    group by url
    having count(*) > 1
)
select
    coalesce(held.key, again.key) as key,
    coalesce(held.value, again.value) as value,
    held.pairs,
    again.pairs as expected
from (
    select key, value, pairs
    from duplicates
    where key = 'hash' or length(value) % 8 = 3
) as held
full join again on again.key = held.key and again.value = held.value
where held.pairs is distinct from again.pairs
union all
select key, value, pairs, null
from (
    select
        *,
        count(*) over (partition by key, value) as times,
        sum(pairs) over (partition by key) as held,
        (select count(*) from valid_pairs) as all_pairs
    from duplicates
)
where (key in ('url', 'hash') and times = 1 and pairs > 1 and held <= all_pairs) is not true
