-- What changed since the previous revision, shard by shard; empty where there is none to compare
-- with. Rows are the same where their hash is (their URL, in a release without hashes), wherever
-- they lie: one that only moved to another shard is neither added nor removed.
with compared as (
    select distinct provenance.revision, previous_shards.revision as previous_revision
    from provenance
    cross join previous_shards
    where provenance.complete
),
-- Shards whose rows were loaded since; those of all others are the rows of the previous revision.
reloaded as (
    select shards.shard_id
    from shards
    cross join compared
    left join previous_shards
        on previous_shards.shard_id = shards.shard_id and previous_shards.sha256 = shards.sha256
    where previous_shards.shard_id is null
        or shards.shard_id in (select shard_id from replaced_pairs)
),
both_revisions as (
    select true as is_new, shards.path, pair_keys.pair_key, pair_keys.text_key, pair_keys.scores_key
    from pair_keys
    join shards on shards.shard_id = pair_keys.shard_id
    where pair_keys.shard_id in (select shard_id from reloaded)
    union all
    select false, previous_shards.path, replaced_pairs.pair_key, replaced_pairs.text_key,
        replaced_pairs.scores_key
    from replaced_pairs
    join previous_shards on previous_shards.shard_id = replaced_pairs.shard_id
),
-- Few, as a rule: what is not there as often as before.
uneven as (
    select pair_key, text_key, scores_key,
        count(*) filter (where is_new) as new_rows, count(*) filter (where not is_new) as old_rows
    from both_revisions
    group by pair_key, text_key, scores_key
    having count(*) filter (where is_new) <> count(*) filter (where not is_new)
),
counted as (
    select both_revisions.is_new, both_revisions.path, both_revisions.pair_key,
        both_revisions.text_key, both_revisions.scores_key,
        least(uneven.new_rows, uneven.old_rows) as even_rows,
        row_number() over (
            partition by both_revisions.is_new, both_revisions.pair_key, both_revisions.text_key,
                both_revisions.scores_key
            order by both_revisions.path
        ) as occurrence
    from both_revisions
    join uneven
        on uneven.pair_key = both_revisions.pair_key
        and uneven.text_key = both_revisions.text_key
        and uneven.scores_key = both_revisions.scores_key
),
changed as (
    select is_new, path, pair_key, text_key, scores_key,
        row_number() over (
            partition by is_new, pair_key order by path, text_key, scores_key
        ) as occurrence
    from counted
    where occurrence > even_rows
),
paired as (
    select
        coalesce(after.path, before.path) as path,
        before.pair_key is null as is_added,
        after.pair_key is null as is_removed,
        before.text_key <> after.text_key as has_other_text,
        before.scores_key <> after.scores_key as has_other_scores
    from (select * from changed where is_new) as after
    full join (select * from changed where not is_new) as before
        on before.pair_key = after.pair_key and before.occurrence = after.occurrence
),
tallied as (
    select path,
        count(*) filter (where is_added) as added,
        count(*) filter (where is_removed) as removed,
        count(*) filter (where has_other_text) as changed_text,
        count(*) filter (where has_other_scores) as changed_scores
    from paired
    group by path
),
listed as (
    select
        coalesce(shards.path, previous_shards.path) as path,
        coalesce(previous_shards.rows, 0) as previous_rows,
        coalesce(shards.rows, 0) as rows
    from shards
    full join previous_shards on previous_shards.path = shards.path
)
select
    compared.previous_revision, -- Revision that was loaded completely before
    compared.revision, -- Revision that is loaded now
    listed.path as shard, -- Path of the shard, in either revision
    listed.previous_rows, -- Its rows in the previous revision
    listed.rows, -- Its rows now
    coalesce(tallied.added, 0) as added, -- Its rows that the previous revision did not have
    coalesce(tallied.removed, 0) as removed, -- Rows that it had, and that are no longer anywhere
    coalesce(tallied.changed_text, 0) as changed_text, -- Its rows whose caption is another
    coalesce(tallied.changed_scores, 0) as changed_scores -- Its rows of which any score is another
from compared
cross join listed
left join tallied on tallied.path = listed.path
order by shard;

-- Rows before, and added, less removed, are the rows now; every shard has one line.
select expected.rows, found.rows as counted
from (
    select sum(rows) as rows
    from shards
    where exists (select revision from previous_shards)
        and exists (select revision from provenance where complete)
) as expected
cross join (
    select sum(previous_rows + added - removed) as rows, sum(rows) as listed, count(*) as lines,
        count(distinct shard) as shards
    from revision_diff
) as found
cross join (
    select count(*) as lines
    from shards
    full join previous_shards on previous_shards.path = shards.path
) as every
where expected.rows is distinct from found.rows
    or expected.rows is distinct from found.listed
    or found.shards <> found.lines
    or (expected.rows is not null and found.lines <> every.lines)
