-- What the captions of the valid pairs are like: how long, and how many have which peculiarity.
-- Words are what lies between blanks. Lengths have quantiles, which some caption really has, and a
-- mean; peculiarities have a number of pairs and its share.
with summed as (
    select
        count(*) as pairs,
        min(characters) as fewest_characters,
        max(characters) as most_characters,
        cast(sum(characters) as double) / count(*) as mean_characters,
        quantile_disc(characters, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as characters,
        min(words) as fewest_words,
        max(words) as most_words,
        cast(sum(words) as double) / count(*) as mean_words,
        quantile_disc(words, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as words,
        sum(case when words < 3 then 1 else 0 end) as short,
        sum(case when only_digits then 1 else 0 end) as only_digits,
        sum(case when all_capitals then 1 else 0 end) as all_capitals,
        sum(case when has_entity then 1 else 0 end) as has_entity,
        sum(case when has_replacement then 1 else 0 end) as has_replacement,
        sum(case when has_other_script then 1 else 0 end) as has_other_script
    from pair_captions
),
told(place, measure, pairs, minimum, maximum, mean, quantiles) as (
    select 1, 'characters', pairs, fewest_characters, most_characters, mean_characters, characters
    from summed
    union all
    select 2, 'words', pairs, fewest_words, most_words, mean_words, words from summed
    union all
    select 3, 'fewer than 3 words', short, null, null, null, null from summed
    union all
    select 4, 'only digits', only_digits, null, null, null, null from summed
    union all
    select 5, 'all capitals', all_capitals, null, null, null, null from summed
    union all
    select 6, 'HTML entities', has_entity, null, null, null, null from summed
    union all
    select 7, 'U+FFFD', has_replacement, null, null, null, null from summed
    union all
    select 8, 'not Latin', has_other_script, null, null, null, null from summed
)
select
    measure, -- A length, in 'characters' or 'words', or a peculiarity: 'fewer than 3 words', 'only digits', 'all capitals', 'HTML entities' such as &amp;, 'U+FFFD' (the mark of a letter lost to a wrong encoding), 'not Latin' (a letter of another script)
    cast(coalesce(told.pairs, 0) as bigint) as pairs, -- Valid pairs whose caption has it
    told.pairs / nullif(summed.pairs, 0) as share, -- Of the valid pairs, from 0 to 1; null where there are none
    minimum, -- Shortest length
    quantiles[1] as p01, -- 1 % of the captions are at most as long
    quantiles[2] as p05, -- 5 % of the captions are at most as long
    quantiles[3] as p25, -- A quarter of the captions is at most as long
    quantiles[4] as p50, -- Median length
    quantiles[5] as p75, -- Three quarters of the captions are at most as long
    quantiles[6] as p95, -- 95 % of the captions are at most as long
    quantiles[7] as p99, -- 99 % of the captions are at most as long
    maximum, -- Longest length
    mean -- Mean length
from told
cross join summed
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
