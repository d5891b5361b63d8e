-- Whom a score favours: of the terms asked about, how much more often than overall the captions of
-- the pairs with a certain score have each.
-- A caption has a term where its words follow one another in it, without case but with accents, and
-- whatever stands between them. The lift is relative: what a release left out by its scores is not
-- in it, such as all up to 7 in LAION-Aesthetics V1. Without terms, set by LAION_TERMS, it is empty.
with steps as (
    select
        scores_by_shard.score,
        cast(floor(bin * scores.steps_per_unit / scores.bins_per_unit) as bigint) as step,
        sum(pairs) as pairs
    from scores_by_shard
    join scores on scores.score = scores_by_shard.score
    group by 1, 2
),
found as (
    select
        term_group,
        term,
        term_scores.score,
        cast(floor(bin * scores.steps_per_unit / scores.bins_per_unit) as bigint) as step,
        count(*) as pairs
    from term_scores
    join scores on scores.score = term_scores.score
    where bin is not null
    group by 1, 2, 3, 4
),
counted as (
    select
        asked_terms.term_group,
        asked_terms.term,
        steps.score,
        steps.step,
        cast(steps.pairs as double) as pairs,
        cast(coalesce(found.pairs, 0) as double) as having_it
    from asked_terms
    cross join steps
    left join found
        on found.term_group = asked_terms.term_group
        and found.term = asked_terms.term
        and found.score = steps.score
        and found.step = steps.step
),
summed as (
    select
        *,
        sum(pairs) over (partition by term_group, term, score) as all_pairs,
        sum(having_it) over (partition by term_group, term, score) as all_having_it
    from counted
),
-- By the delta method: the logarithm of the lift is about normal. What is in the step and what is
-- not are independent of each other, and both are in what it is compared with.
measured as (
    select
        *,
        (having_it / pairs) / nullif(all_having_it / all_pairs, 0) as lift,
        case when having_it between 1 and all_having_it - 1 then sqrt(
            power((all_having_it - having_it) / (having_it * all_having_it), 2)
                * having_it * (1 - having_it / pairs)
            + (all_having_it - having_it) / power(all_having_it, 2)
                * (1 - (all_having_it - having_it) / (all_pairs - pairs))
        ) end as deviation
    from summed
)
select
    measured.term_group, -- The group that the term was asked about in
    measured.term, -- The term, as it was asked about
    measured.score, -- Name of the score
    step / scores.steps_per_unit as score_from, -- Lowest score of the step
    (step + 1) / scores.steps_per_unit as score_to, -- Scores of the step lie below this
    cast(pairs as bigint) as pairs, -- Valid pairs with a score of the step
    cast(having_it as bigint) as having_it, -- Of these those whose caption has the term
    lift, -- Share of these among the pairs of the step, as a multiple of their share among all that have the score; null where no caption has the term
    lift * exp(-1.959963984540054 * deviation) as lift_low, -- Lower end of its 95 % confidence interval; null where none of the captions that have the term is of the step, or all are
    lift * exp(1.959963984540054 * deviation) as lift_high -- Upper end of it; null where the lower is
from measured
join scores on scores.score = measured.score
order by measured.term_group, measured.term, measured.score, step;

-- Each term has every step of every score, with the pairs that are in it; its lifts come to 1 on
-- average, and lie within their intervals.
select term_group, term, score, score_from, lift
from (
    select
        term_lift.*,
        sum(term_lift.pairs) over (partition by term_group, term, term_lift.score) as held,
        sum(having_it) over (partition by term_group, term, term_lift.score) as all_having_it,
        sum(lift * term_lift.pairs) over (partition by term_group, term, term_lift.score) as lifted,
        expected.pairs as expected
    from term_lift
    left join (select score, sum(pairs) as pairs from scores_by_shard group by score) as expected
        on expected.score = term_lift.score
)
where (
    pairs > 0 and having_it between 0 and pairs and held = expected
    and (lift is null) = (all_having_it = 0)
    and (lift_low is null) = (having_it in (0, all_having_it))
    and (lift_high is null) = (lift_low is null)
    and coalesce(lift >= 0 and abs(lifted / held - 1) <= 1e-6, true)
    and coalesce(lift between lift_low * (1 - 1e-9) and lift_high * (1 + 1e-9), true)
) is not true
union all
select asked_terms.term_group, asked_terms.term, null, null, null
from asked_terms
left join (select term_group, term, count(distinct score) as scores from term_lift group by all)
    as there
    on there.term_group = asked_terms.term_group and there.term = asked_terms.term
where coalesce(there.scores, 0) <> (select count(distinct score) from scores_by_shard)
