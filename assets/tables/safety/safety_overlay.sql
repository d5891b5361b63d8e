-- How many valid pairs of each shard a cleaned release, such as Re-LAION, no longer has.
-- Pairs are told by their hash, made of address and caption; counts only, since a list of what was
-- removed would lead to it. Empty where no cleaned release was asked about, set by LAION_CLEANED, or
-- where it cannot be used.
with held as (
    select count(*) as hashes from cleaned_hashes
),
marked as (
    select
        valid_pairs.shard_id,
        case when valid_pairs.hash is null then 1 else 0 end as without_hash,
        case when valid_pairs.hash is not null and cleaned_hashes.hash is null then 1 else 0 end
            as removed
    from valid_pairs
    left join cleaned_hashes on cleaned_hashes.hash = valid_pairs.hash
),
counted as (
    select
        shard_id,
        count(*) as pairs,
        cast(sum(without_hash) as bigint) as without_hash,
        cast(sum(removed) as bigint) as removed
    from marked
    group by shard_id
)
select
    shards.path as shard, -- Path of the shard's file at its source
    counted.pairs, -- Valid pairs of the shard
    counted.without_hash, -- Of these those without a hash, of which nobody knows
    counted.removed, -- Of these those that the cleaned release no longer has
    counted.removed / counted.pairs as removed_share -- Their share of the shard's valid pairs, from 0 to 1
from counted
join shards on shards.shard_id = counted.shard_id
cross join held
where held.hashes > 0
order by shards.path;

-- Every shard with valid pairs is there once, with all of them, and no more were removed than have a
-- hash; at most a tenth of all was, or else nothing would be held.
select coalesce(told.shard, expected.path) as shard, told.pairs, told.removed, expected.pairs as expected
from (
    select
        *,
        count(*) over (partition by shard) as times,
        sum(removed) over () as all_removed,
        sum(pairs - without_hash) over () as all_hashed
    from safety_overlay
) as told
full join (
    select shards.path, counted.pairs
    from (select shard_id, count(*) as pairs from valid_pairs group by shard_id) as counted
    join shards on shards.shard_id = counted.shard_id
    cross join (select count(*) as hashes from cleaned_hashes)
    where hashes > 0
) as expected on expected.path = told.shard
where (
    told.pairs = expected.pairs and told.times = 1
    and told.without_hash >= 0 and told.removed between 0 and told.pairs - told.without_hash
    and abs(told.removed_share - told.removed / told.pairs) <= 1e-9
    and told.all_removed <= 0.1 * told.all_hashed
) is not true
