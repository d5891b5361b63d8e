-- What deduplication would leave: of the pairs that share a URL, or a hash, all but one would go.
-- A hash is of URL and caption together. Images that only look alike are not seen, so that this is
-- a lower bound: see `duplicates`.
with classes(place, copies, lower, upper) as (
    values
        (1, '1', 1, 1),
        (2, '2', 2, 2),
        (3, '3', 3, 3),
        (4, '4', 4, 4),
        (5, '5 to 9', 5, 9),
        (6, '10 to 99', 10, 99),
        (7, '100 and more', 100, null)
),
known as (
    select 'url' as key, count(*) as pairs from valid_pairs
    union all
    select 'hash', count(hash) from valid_pairs
),
repeated as (
    select
        known.key,
        classes.place,
        count(duplicates.pairs) as groups,
        coalesce(sum(duplicates.pairs), 0) as pairs
    from known
    cross join classes
    left join duplicates
        on duplicates.key = known.key
        and duplicates.pairs >= classes.lower
        and duplicates.pairs <= coalesce(classes.upper, duplicates.pairs)
    group by known.key, classes.place
),
-- What is there once is what is in no other class.
counted as (
    select
        repeated.key,
        repeated.place,
        case
            when repeated.place = 1
                then known.pairs - sum(repeated.pairs) over (partition by repeated.key)
            else repeated.groups
        end as groups,
        case
            when repeated.place = 1
                then known.pairs - sum(repeated.pairs) over (partition by repeated.key)
            else repeated.pairs
        end as pairs,
        known.pairs as known_pairs
    from repeated
    join known on known.key = repeated.key
)
select
    counted.key, -- What is the same: 'url', or 'hash' of URL and caption
    counted.place, -- Place of the class, from 1
    classes.copies, -- How many pairs have the same
    cast(counted.groups as bigint) as groups, -- Different URLs or hashes, each of which deduplication leaves one pair
    cast(counted.pairs as bigint) as pairs, -- Valid pairs that have them
    cast(counted.pairs - counted.groups as bigint) as removed, -- Valid pairs that deduplication would remove
    (counted.pairs - counted.groups) / nullif(known_pairs, 0) as removed_share -- Of all valid pairs with such a key, from 0 to 1; null where there are none
from counted
join classes on classes.place = counted.place
order by key, place;

-- The classes hold every valid pair with such a key, and as many groups as there are.
select key, copies, groups, pairs, removed
from (
    select
        *,
        sum(pairs) over (partition by key) as held,
        case
            when key = 'url' then (select count(*) from valid_pairs)
            else (select count(hash) from valid_pairs)
        end as expected,
        (
            select count(*) from duplicates where duplicates.key = duplicate_summary.key
        ) as repeated,
        sum(case when place > 1 then groups else 0 end) over (partition by key) as groups_held
    from duplicate_summary
)
where (
    held = expected and repeated = groups_held
    and groups >= 0 and pairs >= groups * least(place, 5) and removed = pairs - groups
    and coalesce(removed_share, 0) = coalesce(removed / nullif(expected, 0), 0)
) is not true
union all
select null, null, count(*), null, null
from duplicate_summary
having count(*) <> 14
