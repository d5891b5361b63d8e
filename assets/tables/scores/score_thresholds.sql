-- How many valid pairs a filter on a score keeps, threshold by threshold.
-- A score that is the better the higher it is keeps the pairs at or above the threshold, another
-- those at or below it; which it is, and how many thresholds there are a unit, is in `scores`.
-- Read the share before you filter: what is left after several filters is in no one row.
-- Thresholds are edges of the bins in which scores are counted.
with strictest as (
    select
        scores_by_shard.score,
        cast(
            case
                when scores.higher_is_better
                    then floor(bin * scores.steps_per_unit / scores.bins_per_unit)
                when on_edge then ceil(bin * scores.steps_per_unit / scores.bins_per_unit)
                else ceil((bin + 1) * scores.steps_per_unit / scores.bins_per_unit)
            end as bigint
        ) as step,
        pairs
    from scores_by_shard
    join scores on scores.score = scores_by_shard.score
),
counted as (
    select score, step, sum(pairs) as pairs
    from strictest
    group by score, step
),
steps as (
    select score, unnest(generate_series(min(step), max(step))) as step
    from counted
    group by score
),
summed as (
    select
        steps.score,
        scores.higher_is_better,
        steps.step / scores.steps_per_unit as threshold,
        cast(
            sum(coalesce(counted.pairs, 0)) over (
                partition by steps.score
                order by case when scores.higher_is_better then -steps.step else steps.step end
            ) as bigint
        ) as pairs,
        cast(sum(coalesce(counted.pairs, 0)) over (partition by steps.score) as bigint) as scored
    from steps
    join scores on scores.score = steps.score
    left join counted on counted.score = steps.score and counted.step = steps.step
)
select
    score, -- Name of the score
    case when higher_is_better then 'at least' else 'at most' end as keeps, -- Which pairs the filter keeps: those with a score of 'at least' or 'at most' the threshold
    threshold, -- The threshold itself, which the filter includes
    pairs, -- Valid pairs that the filter keeps
    pairs / scored as share -- Of the valid pairs that have the score, from 0 to 1
from summed
order by score, threshold;

-- The loosest threshold of a score keeps every valid pair that has it, a stricter one never more
-- than a looser, and each share is of those that have the score.
select score, threshold, pairs, share
from (
    select
        *,
        max(pairs) over (partition by score) as loosest,
        lag(pairs) over (
            partition by score
            order by case keeps when 'at least' then threshold else -threshold end
        ) as looser
    from score_thresholds
)
where (
    pairs > 0 and pairs <= coalesce(looser, loosest) and abs(share - pairs / loosest) <= 1e-9
) is not true
union all
select coalesce(kept.score, expected.score), null, kept.pairs, kept.share
from (select score, max(pairs) as pairs, max(share) as share from score_thresholds group by score)
    as kept
full join (select score, sum(pairs) as pairs from scores_by_shard group by score) as expected
    on expected.score = kept.score
where kept.pairs is distinct from expected.pairs or kept.share <> 1
