-- How many rows of each shard break which rule; a row that breaks several counts for each.
with broken as (
    select shard_id, unnest(reasons) as reason
    from quarantine
)
select
    broken.reason, -- Name of the rule that is broken
    shards.path as shard, -- Path of the shard in the release
    count(*) as rows -- Quarantined rows of the shard that break the rule
from broken
join shards on shards.shard_id = broken.shard_id
group by broken.reason, shards.path
order by reason, rows desc, shard;

-- The rows of a rule add up to those that are in quarantine for it.
select expected.reason, counted.reason as counted_reason, expected.rows, counted.rows as counted
from (
    select reason, count(*) as rows
    from (select unnest(reasons) as reason from quarantine)
    group by reason
) as expected
full join (
    select reason, cast(sum(rows) as bigint) as rows
    from quarantine_counts
    group by reason
) as counted on counted.reason = expected.reason
where expected.rows is distinct from counted.rows
