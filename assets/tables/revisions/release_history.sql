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
-- Of a sample of some 200,000 pairs, by digits of the score that are as good as random. With the
-- shard, so that a value which very many have is neither in it for all of them nor for none.
sampled as (
    select
        score,
        value,
        row_number() over (partition by score order by value) as rank,
        count(*) over (partition by score) as pairs
    from pair_scores
    cross join (select greatest(1, count(*) // 200000) as nth from valid_pairs)
    where (cast(floor(value * 1e12) as bigint) + (shard_id + 1) * 7919) % nth = 0
),
-- From just below all pairs to infinity; where a value is common, tenths fall together.
tenths as (
    select score,
        unnest([
            lowest - greatest(abs(lowest) * 1.12e-16, 5e-324), highest, cast('infinity' as double)
        ]) as point
    from extents
    union
    select score, value from sampled
    where rank * 10 // pairs > (rank - 1) * 10 // pairs and (rank - 1) * 10 < pairs * 9
),
edges as (
    select measures.measure, tenths.score, tenths.point
    from tenths
    cross join (
        select 'tenth' as measure
        union all
        select 'previous_tenth'
        from provenance
        where complete and revision in (select revision from previous_shards)
    ) as measures
    union
    select 'previous_tenth', subject, point
    from kept
    where complete and measure = 'tenth' and point is not null
        and revision in (select revision from previous_shards)
        and subject in (select score from scores)
),
-- The bins of the histogram, which alone would not do: most scores of a skewed distribution lie in one.
bins as (
    select scores_by_shard.score, scores_by_shard.bin,
        scores_by_shard.bin / scores.bins_per_unit as lowest, sum(scores_by_shard.pairs) as pairs
    from scores_by_shard
    join scores on scores.score = scores_by_shard.score
    group by scores_by_shard.score, scores_by_shard.bin, scores.bins_per_unit
),
-- The last bin that begins at or below an edge, and the pairs up to its end.
reached as (
    select edges.measure, edges.score, edges.point,
        max(bins.bin) as bin, coalesce(sum(bins.pairs), 0) as pairs
    from edges
    left join bins on bins.score = edges.score and bins.lowest <= edges.point
    group by edges.measure, edges.score, edges.point
),
-- Less those in that bin which lie above the edge.
pairs_up_to as (
    select reached.measure, reached.score, reached.point,
        max(reached.pairs) - count(pair_scores.value) as pairs
    from reached
    left join pair_scores
        on pair_scores.score = reached.score
        and pair_scores.bin = reached.bin
        and pair_scores.value > reached.point
    group by reached.measure, reached.score, reached.point
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
    select 'quantile', score, points.point,
        case points.point
            when 0.01 then p01 when 0.05 then p05 when 0.25 then p25 when 0.5 then p50
            when 0.75 then p75 when 0.95 then p95 when 0.99 then p99
        end
    from score_summary
    cross join (values (0.01), (0.05), (0.25), (0.5), (0.75), (0.95), (0.99)) as points (point)
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
where loaded.measure = 'tenth' and loaded.point = cast('infinity' as double)
    and loaded.value is distinct from totals.valid
