-- The 100 best and the 100 worst pairs by each score, one a URL: what the score likes and dislikes.
-- Of a URL's pairs the best (or worst) counts; ties go to the lower hash, then the lower URL.
with highest as (
    select score, min(value) as least
    from (
        select score, value
        from pair_scores
        qualify row_number() over (partition by score order by value desc) <= 2000
    )
    group by score
),
lowest as (
    select score, max(value) as most
    from (
        select score, value
        from pair_scores
        qualify row_number() over (partition by score order by value) <= 2000
    )
    group by score
),
ends as (
    select 'top' as extreme, -1 as direction
    union all
    select 'bottom', 1
),
-- All pairs up to the 2,000th of each ranking, whose value was found without reading captions.
nearest as (
    select ends.extreme, ends.direction * found.value as position, found.* exclude (least, most)
    from (
        select pair_scores.*, highest.least, lowest.most
        from pair_scores
        join highest on highest.score = pair_scores.score
        join lowest on lowest.score = pair_scores.score
        where pair_scores.value >= highest.least or pair_scores.value <= lowest.most
    ) as found
    cross join ends
    where (ends.extreme = 'top' and found.value >= found.least)
        or (ends.extreme = 'bottom' and found.value <= found.most)
),
-- Where URLs are repeated so often that those have fewer than 100, every pair is ranked.
repetitive as (
    select score, extreme
    from nearest
    group by score, extreme
    having count(*) >= 2000 and count(distinct url) < 100
),
candidates as (
    select nearest.*
    from nearest
    left join repetitive
        on repetitive.score = nearest.score and repetitive.extreme = nearest.extreme
    where repetitive.score is null
    union all
    select ends.extreme, ends.direction * pair_scores.value, pair_scores.*
    from repetitive
    join ends on ends.extreme = repetitive.extreme
    join pair_scores on pair_scores.score = repetitive.score
),
one_a_url as (
    select
        *,
        row_number() over (
            partition by score, extreme, url
            order by
                position, hash, shard_id, text, width, height,
                similarity, punsafe, pwatermark, aesthetic
        ) as occurrence
    from candidates
),
ranked as (
    select *, row_number() over (partition by score, extreme order by position, hash, url) as rank
    from one_a_url
    where occurrence = 1
)
select
    score, -- Name of the score
    extreme, -- 'top' for the highest scores, 'bottom' for the lowest
    rank, -- 1 is the highest of the top and the lowest of the bottom
    url, -- Address of the image
    text, -- Caption
    width, -- Width in px
    height, -- Height in px
    similarity, -- Similarity of caption and image
    hash, -- Hash of url + text
    punsafe, -- Probability of being unsafe
    pwatermark, -- Probability of a watermark
    aesthetic, -- Aesthetic score
    shard_id -- The shard that the pair is from
from ranked
where rank <= 100
order by score, extreme desc, rank;

-- Ranks run from 1 without a gap, no URL comes twice, and a score has as many at either end.
select score, cast(sum(rank) as bigint) as ranks, count(*) as pairs, count(distinct url) as urls
from score_extremes
group by score
having count(*) <> 2 * max(rank)
    or sum(rank) <> max(rank) * (max(rank) + 1)
    or count(distinct extreme || ' ' || url) <> count(*)
