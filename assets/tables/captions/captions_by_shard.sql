-- What the captions of each shard's valid pairs are like, and which filters keep the pairs: counted
-- in one pass, since looking at captions takes long, for tables that tell of the whole release.
with measured as (
    select
        shard_id,
        characters,
        words,
        case when only_digits then 1 else 0 end
            + case when all_capitals then 2 else 0 end
            + case when has_entity then 4 else 0 end
            + case when has_replacement then 8 else 0 end
            + case when has_other_script then 16 else 0 end as peculiarities,
        mask
    from pair_filters
),
counted as (
    select
        shard_id,
        characters,
        words,
        peculiarities,
        mask,
        grouping(characters, words, peculiarities, mask) as left_out,
        count(*) as pairs
    from measured
    group by grouping sets (
        (shard_id, characters), (shard_id, words), (shard_id, peculiarities), (shard_id, mask)
    )
)
select
    shard_id, -- The shard that the pairs are from
    case left_out
        when 7 then 'characters' when 11 then 'words' when 13 then 'peculiarities' else 'filters'
    end as measure, -- What is counted: the caption's length in 'characters' or 'words', its 'peculiarities', or the 'filters' that keep the pair
    cast(coalesce(characters, words, peculiarities, mask) as bigint) as value, -- The length; or a sum: of peculiarities 1 only digits, 2 all capitals, 4 HTML entities, 8 U+FFFD, 16 not Latin, of filters their masks in `filters`
    pairs -- Valid pairs of the shard that have it
from counted
order by shard_id, measure, value;

-- Of each shard every valid pair has one value of each measure.
select
    coalesce(held.shard_id, expected.shard_id) as shard_id,
    measure,
    held.pairs,
    expected.pairs as expected
from (
    select
        shard_id,
        measure,
        cast(sum(pairs) as bigint) as pairs,
        min(pairs) as fewest,
        min(value) as least,
        count(*) over (partition by shard_id) as measures
    from captions_by_shard
    group by shard_id, measure
) as held
full join (select shard_id, count(*) as pairs from valid_pairs group by shard_id) as expected
    on expected.shard_id = held.shard_id
where (
    held.pairs = expected.pairs and fewest > 0 and least >= 0 and measures = 4
    and measure in ('characters', 'words', 'peculiarities', 'filters')
) is not true
