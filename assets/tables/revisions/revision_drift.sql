-- How far the number of rows and the spread of each score moved since the previous revision; empty
-- where there is none to compare with. For scores by the population stability index, over the tenths
-- of the previous revision's valid pairs, and what is below and above them all.
with compared as (
    select distinct provenance.revision, previous_shards.revision as previous_revision
    from provenance
    cross join previous_shards
    where provenance.complete
),
profiles as (
    select true as is_new, release_history.measure, release_history.subject, release_history.point,
        release_history.value
    from release_history
    join compared on compared.revision = release_history.revision
    where release_history.complete
    union all
    select false, release_history.measure, release_history.subject, release_history.point,
        release_history.value
    from release_history
    join compared on compared.previous_revision = release_history.revision
    where release_history.complete
),
-- Both revisions' pairs up to each edge of a tenth of the previous one's.
edges as (
    select before.subject as score, before.point, before.value as old_pairs, after.value as new_pairs
    from profiles as before
    join profiles as after
        on after.subject = before.subject and after.point = before.point
    where not before.is_new and before.measure = 'tenth'
        and after.is_new and after.measure = 'previous_tenth'
),
tenths as (
    select score, point,
        greatest(
            0, old_pairs - coalesce(lag(old_pairs) over (partition by score order by point), 0)
        ) as old_pairs,
        greatest(
            0, new_pairs - coalesce(lag(new_pairs) over (partition by score order by point), 0)
        ) as new_pairs,
        max(old_pairs) over (partition by score) as all_old_pairs,
        max(new_pairs) over (partition by score) as all_new_pairs
    from edges
),
-- Half a pair more in each tenth, so that an empty one has a logarithm too.
shares as (
    select score, point, all_old_pairs, all_new_pairs,
        (old_pairs + 0.5) / (all_old_pairs + 0.5 * count(*) over (partition by score)) as old_share,
        (new_pairs + 0.5) / (all_new_pairs + 0.5 * count(*) over (partition by score)) as new_share
    from tenths
    where old_pairs + new_pairs > 0 and all_old_pairs > 0 and all_new_pairs > 0
),
-- Of equal populations the index is about chi-squared with one degree less than there are tenths.
indexes as (
    select score, all_old_pairs, all_new_pairs,
        -- in units of 2^-40, whose sum is exact
        cast(
            sum(
                cast(
                    (new_share - old_share) * ln(new_share / old_share) * 1099511627776 as bigint
                )
            ) as double
        ) / 1099511627776 as stability_index,
        (count(*) - 1 + 3 * sqrt(2 * (count(*) - 1))) * (1 / all_old_pairs + 1 / all_new_pairs)
            as chance
    from shares
    group by score, all_old_pairs, all_new_pairs
),
row_counts as (
    select
        max(value) filter (where not is_new) as old_rows,
        max(value) filter (where is_new) as new_rows
    from profiles
    where measure = 'rows' and subject = 'source'
),
moved as (
    select 'rows' as measure, old_rows as previous_rows, new_rows as rows,
        (new_rows - old_rows) / old_rows as value, null as stability_index, null as chance
    from row_counts
    where old_rows > 0 and new_rows is not null
    union all
    select score, all_old_pairs, all_new_pairs,
        case when stability_index > chance then stability_index else 0 end,
        stability_index, chance
    from indexes
)
select
    compared.previous_revision, -- Revision that was loaded completely before
    compared.revision, -- Revision that is loaded now
    moved.measure, -- Name of the score, or 'rows'
    cast(moved.previous_rows as bigint) as previous_rows, -- Rows before; valid pairs with the score, for a score
    cast(moved.rows as bigint) as rows, -- The same now
    moved.value, -- For a score stability_index, or 0 where it is no more than chance; for rows their change as a share of the previous ones
    moved.stability_index, -- Population stability index over the tenths; null for rows
    moved.chance -- What the index may come to by chance in samples of these sizes: its mean and three standard deviations; null for rows
from compared
cross join moved
order by measure;

-- The rows are those of the shards, each score has an index that is not below zero, and nothing is
-- missing where there is a profile to compare with.
select revision_drift.measure, revision_drift.rows, revision_drift.stability_index
from revision_drift
cross join (select sum(rows) as rows from shards) as loaded
where (revision_drift.measure = 'rows' and revision_drift.rows is distinct from loaded.rows)
    or (revision_drift.measure <> 'rows' and (revision_drift.stability_index >= -1e-9) is not true)
    or (abs(revision_drift.value) < cast('infinity' as double)) is not true
union all
select 'rows', null, null
from provenance
where complete
    and exists (
        select 1
        from release_history
        join previous_shards on previous_shards.revision = release_history.revision
        where release_history.complete and release_history.measure = 'rows'
            and release_history.subject = 'source' and release_history.value > 0
    )
    and not exists (select 1 from revision_drift where measure = 'rows')
