-- How many valid pairs survive the filters of published models, one by one and together.
-- A filter keeps a pair only if what it looks at is known of the pair. The aesthetic scores of these
-- filters are those of the second model (V2): on the scores of V1, which have another scale, such a
-- filter says little.
with masks as (
    select value as mask, sum(pairs) as pairs
    from captions_by_shard
    where measure = 'filters'
    group by value
),
steps as (
    select
        recipe,
        step,
        condition,
        source,
        mask,
        sum(mask) over (partition by recipe order by step) as masks,
        min(known) over (partition by recipe order by step) as known_so_far,
        known
    from filters
),
-- Every mask has a row here for every filter, so that those which keep nothing are there, too.
counted as (
    select
        steps.recipe,
        steps.step,
        coalesce(sum(case when masks.mask & steps.mask <> 0 then masks.pairs end), 0) as alone,
        coalesce(
            sum(
                case
                    when masks.mask & cast(steps.masks as bigint) = steps.masks then masks.pairs
                end
            ),
            0
        ) as together,
        coalesce(sum(masks.pairs), 0) as pairs
    from steps
    left join masks on true
    group by steps.recipe, steps.step
)
select
    steps.recipe, -- Whose filters
    steps.step, -- Place of the filter in the recipe, from 1
    steps.condition, -- What the filter keeps
    case when known then cast(alone as bigint) end as pairs_alone, -- Valid pairs that it keeps by itself; null where the release lacks what it looks at
    case when known then alone / nullif(pairs, 0) end as share_alone, -- Of all valid pairs, from 0 to 1
    case when known_so_far then cast(together as bigint) end as pairs_together, -- Valid pairs that it and all before it keep; null where the release lacks what one of them looks at
    case when known_so_far then together / nullif(pairs, 0) end as share_together, -- Of all valid pairs, from 0 to 1
    steps.source -- Where its makers say so
from steps
join counted on counted.recipe = steps.recipe and counted.step = steps.step
order by steps.recipe, steps.step;

-- Every filter is there once; together they keep no more than the last alone, or than one fewer.
select recipe, step, condition, pairs_alone, pairs_together
from (
    select
        training_filters.*,
        lag(pairs_together) over (partition by recipe order by step) as before,
        row_number() over (partition by recipe order by step) as place,
        (select count(*) from valid_pairs) as all_pairs
    from training_filters
)
where (
    step = place
    and coalesce(pairs_alone between 0 and all_pairs, true)
    and coalesce(pairs_together between 0 and pairs_alone, true)
    and coalesce(pairs_together <= before, true)
    and coalesce(abs(share_alone - pairs_alone / all_pairs) <= 1e-9, true)
    and coalesce(abs(share_together - pairs_together / all_pairs) <= 1e-9, true)
) is not true
union all
select recipe, step, condition, null, null
from filters
where not exists (
    select 1
    from training_filters
    where training_filters.recipe = filters.recipe
        and training_filters.step = filters.step
        and (training_filters.pairs_alone is not null) = filters.known
        and training_filters.condition = filters.condition
)
