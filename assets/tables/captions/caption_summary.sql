-- What the captions of the valid pairs are like: how long, and how many have which peculiarity.
-- Words are what lies between blanks. Lengths have quantiles, which some caption really has, and a
-- mean; peculiarities have a number of pairs and its share.
with counted as (
    select measure, value, cast(sum(pairs) as bigint) as pairs
    from captions_by_shard
    group by measure, value
),
-- How many captions are at most as long.
reached as (
    select
        *,
        sum(pairs) over (partition by measure order by value) as reached,
        sum(pairs) over (partition by measure) as all_pairs
    from counted
    where measure in ('characters', 'words')
),
lengths as (
    select
        measure,
        min(value) as minimum,
        max(value) as maximum,
        cast(sum(value * pairs) as double) / max(all_pairs) as mean,
        min(case when reached * 100 >= all_pairs then value end) as p01,
        min(case when reached * 100 >= all_pairs * 5 then value end) as p05,
        min(case when reached * 100 >= all_pairs * 25 then value end) as p25,
        min(case when reached * 100 >= all_pairs * 50 then value end) as p50,
        min(case when reached * 100 >= all_pairs * 75 then value end) as p75,
        min(case when reached * 100 >= all_pairs * 95 then value end) as p95,
        min(case when reached * 100 >= all_pairs * 99 then value end) as p99
    from reached
    group by measure
),
summed as (
    select
        sum(case when measure = 'words' then pairs end) as pairs,
        sum(case when measure = 'words' and value < 3 then pairs end) as short,
        sum(case when measure = 'peculiarities' and value & 1 <> 0 then pairs end) as only_digits,
        sum(case when measure = 'peculiarities' and value & 2 <> 0 then pairs end) as all_capitals,
        sum(case when measure = 'peculiarities' and value & 4 <> 0 then pairs end) as has_entity,
        sum(case when measure = 'peculiarities' and value & 8 <> 0 then pairs end)
            as has_replacement,
        sum(case when measure = 'peculiarities' and value & 16 <> 0 then pairs end)
            as has_other_script
    from counted
),
told(place, measure, pairs) as (
    select 1, 'characters', pairs from summed
    union all
    select 2, 'words', pairs from summed
    union all
    select 3, 'fewer than 3 words', short from summed
    union all
    select 4, 'only digits', only_digits from summed
    union all
    select 5, 'all capitals', all_capitals from summed
    union all
    select 6, 'HTML entities', has_entity from summed
    union all
    select 7, 'U+FFFD', has_replacement from summed
    union all
    select 8, 'not Latin', has_other_script from summed
)
select
    told.measure, -- A length, in 'characters' or 'words', or a peculiarity: 'fewer than 3 words', 'only digits', 'all capitals', 'HTML entities' such as &amp;, 'U+FFFD' (the mark of a letter lost to a wrong encoding), 'not Latin' (a letter of another script)
    cast(coalesce(told.pairs, 0) as bigint) as pairs, -- Valid pairs whose caption has it
    coalesce(told.pairs, 0) / summed.pairs as share, -- Of the valid pairs, from 0 to 1; null where there are none
    minimum, -- Shortest length
    p01, -- 1 % of the captions are at most as long
    p05, -- 5 % of the captions are at most as long
    p25, -- A quarter of the captions is at most as long
    p50, -- Median length
    p75, -- Three quarters of the captions are at most as long
    p95, -- 95 % of the captions are at most as long
    p99, -- 99 % of the captions are at most as long
    maximum, -- Longest length
    mean -- Mean length
from told
cross join summed
left join lengths on lengths.measure = told.measure
order by place;

-- Every caption has a length, peculiarities are of some or all, and quantiles rise from end to end.
select measure, caption_summary.pairs, share, valid.pairs as expected
from caption_summary
cross join (select count(*) as pairs from valid_pairs) as valid
where (
    coalesce(share, 0) = coalesce(caption_summary.pairs / nullif(valid.pairs, 0), 0)
    and caption_summary.pairs between 0 and valid.pairs
    and (
        measure not in ('characters', 'words')
        or valid.pairs = 0
        or (
            caption_summary.pairs = valid.pairs and minimum >= 1
            and minimum <= p01 and p01 <= p05 and p05 <= p25 and p25 <= p50
            and p50 <= p75 and p75 <= p95 and p95 <= p99 and p99 <= maximum
            and mean >= minimum and mean <= maximum
        )
    )
) is not true
union all
select 'measures', count(*), null, 8
from caption_summary
having count(*) <> 8
