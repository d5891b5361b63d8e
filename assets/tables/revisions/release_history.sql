-- A profile of each revision that was loaded: rows, null shares, defects and scores. One number a
-- row, with what it measures and of what, so that revisions compare by a filter; revision_drift is
-- computed from it. A revision has one profile of all its shards, and at most one more of its first
-- few.
with kept as (
    select * from release_history
    where not exists (
        select 1 from provenance
        where provenance.revision = release_history.revision
            and provenance.complete = release_history.complete
    )
),
extents as (
    select score, min(value) as lowest, max(value) as highest
    from pair_scores
    group by score
),
-- Of a sample of some 200,000 pairs, the same for the same pairs.
quantiles as (
    select score,
        quantile_disc(value, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) as points
    from pair_scores
    where hash(value, shard_id)
        % (select cast(greatest(1, count(*) // 200000) as ubigint) from valid_pairs) = 0
    group by score
),
-- From below all pairs to infinity; where a value is common, tenths fall together.
tenths as (
    select score,
        unnest(list_distinct(list_concat(
            [nextafter(lowest, cast('-infinity' as double))],
            coalesce(points, []),
            [highest, cast('infinity' as double)]
        ))) as point
    from extents
    left join quantiles using (score)
),
-- The histogram would not do: most scores of a skewed distribution lie in one bin of it.
edges as (
    select 'tenth' as measure, score, list(point order by point) as points
    from tenths
    group by score
    union all
    select 'previous_tenth', subject, list(distinct point order by point)
    from (
        select revision, subject, point from kept
        where complete and measure = 'tenth' and point is not null
        union all
        select provenance.revision, tenths.score, tenths.point
        from tenths
        cross join provenance
        where provenance.complete
    )
    where revision in (select revision from previous_shards)
        and subject in (select score from scores)
    group by subject
),
counted as (
    select edges.measure, score, histogram(value, points) as pairs
    from edges
    join pair_scores using (score)
    group by edges.measure, score
),
pairs_up_to as (
    select measure, score, point,
        sum(coalesce(counted.pairs[point], 0)) over (partition by measure, score order by point)
            as pairs
    from (select measure, score, unnest(points) as point from edges)
    left join counted using (measure, score)
),
profile as (
    select 'rows' as measure, 'valid' as subject, null as point, count(*) as value from valid_pairs
    union all
    select 'rows', 'quarantined', null, count(*) from quarantine
    union all
    select 'rows', 'source', null,
        (select count(*) from valid_pairs) + (select count(*) from quarantine)
    union all
    select 'shards', 'loaded', null, count(*) from shards
    union all
    select 'null_share', column_name, null, coalesce(1 - present / nullif(all_rows, 0), 0)
    from values_present
    union all
    select 'defects', rule, null, count(quarantine.defects)
    from quarantine_rules
    left join quarantine on quarantine.defects & quarantine_rules.mask <> 0
    group by rule
    union all
    select 'quantile', score, unnest([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]),
        unnest([p01, p05, p25, p50, p75, p95, p99])
    from score_summary
    union all
    select 'histogram', score, bin_lower, pairs from score_histogram
    union all
    select measure, score, point, pairs from pairs_up_to
)
select
    cast(revision as varchar) as revision, -- Revision that the profile is of
    cast(complete as boolean) as complete, -- Whether all of its shards were loaded, not only the first few
    cast(loaded_at as timestamp) as loaded_at, -- When it was loaded, in UTC
    cast(profiled_at as timestamp) as profiled_at, -- When the profile was made, in UTC
    cast(measure as varchar) as measure, -- rows, shards, null_share, defects, quantile, histogram, tenth or previous_tenth
    cast(subject as varchar) as subject, -- What was measured: which rows, column, rule or score
    cast(point as double) as point, -- Which quantile, the lower end of a bin of the histogram, or the upper end, inclusive, of a tenth of the pairs (previous_tenth: of those of the previous revision)
    cast(value as double) as value -- The rows, their share, the score, or the valid pairs up to the point
from (
    select revision, complete, loaded_at, profiled_at, measure, subject, point, value from kept
    union all
    select provenance.revision, provenance.complete, provenance.loaded_at,
        now() at time zone 'UTC', profile.measure, profile.subject, profile.point, profile.value
    from provenance
    cross join profile
)
order by loaded_at, complete, measure, subject, point;

-- Each number is there once; of what is loaded, the rows are those of its shards, valid or in
-- quarantine, and the pairs up to infinity are all that are valid
with loaded as (
    select release_history.*
    from release_history
    join provenance
        on provenance.revision = release_history.revision
        and provenance.complete = release_history.complete
),
totals as (
    select sum(value) filter (subject = 'source') as source,
        sum(value) filter (subject = 'valid') as valid,
        sum(value) filter (subject = 'quarantined') as quarantined
    from loaded
    where measure = 'rows'
)
select revision, measure, subject, point, max(value) as value
from release_history
group by revision, complete, measure, subject, point
having count(*) > 1
union all
select null, 'rows', 'source', null, source
from totals
where source is distinct from (select coalesce(sum(rows), 0) from shards)
    or source is distinct from valid + quarantined
union all
select loaded.revision, loaded.measure, loaded.subject, loaded.point, loaded.value
from loaded
cross join totals
where loaded.measure = 'tenth' and isinf(loaded.point) and loaded.value is distinct from totals.valid
