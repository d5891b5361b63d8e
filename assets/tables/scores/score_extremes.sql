-- The 100 best and the 100 worst pairs by each score, one a URL: what the score likes and dislikes.
-- Of a URL's pairs the best (or worst) counts; ties go to the lower hash, then the lower URL.
with ends as (
    select 'top' as extreme, -1 as direction
    union all
    select 'bottom', 1
),
-- The scores of the 2,000th pair of each ranking.
limits as (
    select
        (
            select min(value)
            from (
                select value
                from pair_scores
                where score = 'aesthetic'
                order by value desc
                limit 2000
            )
        ) as aesthetic_top,
        (
            select max(value)
            from (
                select value
                from pair_scores
                where score = 'aesthetic'
                order by value
                limit 2000
            )
        ) as aesthetic_bottom,
        (
            select min(value)
            from (
                select value
                from pair_scores
                where score = 'punsafe'
                order by value desc
                limit 2000
            )
        ) as punsafe_top,
        (
            select max(value)
            from (
                select value
                from pair_scores
                where score = 'punsafe'
                order by value
                limit 2000
            )
        ) as punsafe_bottom,
        (
            select min(value)
            from (
                select value
                from pair_scores
                where score = 'pwatermark'
                order by value desc
                limit 2000
            )
        ) as pwatermark_top,
        (
            select max(value)
            from (
                select value
                from pair_scores
                where score = 'pwatermark'
                order by value
                limit 2000
            )
        ) as pwatermark_bottom,
        (
            select min(value)
            from (
                select value
                from pair_scores
                where score = 'similarity'
                order by value desc
                limit 2000
            )
        ) as similarity_top,
        (
            select max(value)
            from (
                select value
                from pair_scores
                where score = 'similarity'
                order by value
                limit 2000
            )
        ) as similarity_bottom
),
-- Captions and URLs are read once it is known of which pairs.
near as materialized (
    select distinct shard_id, coalesce(hash, 0) as hash
    from valid_pairs
    cross join limits
    where aesthetic >= aesthetic_top or aesthetic <= aesthetic_bottom
        or punsafe >= punsafe_top or punsafe <= punsafe_bottom
        or pwatermark >= pwatermark_top or pwatermark <= pwatermark_bottom
        or similarity >= similarity_top or similarity <= similarity_bottom
),
found as (
    select valid_pairs.*
    from valid_pairs
    join near on near.shard_id = valid_pairs.shard_id and near.hash = coalesce(valid_pairs.hash, 0)
),
scored as (
    select
        'aesthetic' as score,
        aesthetic as value,
        aesthetic_top as least,
        aesthetic_bottom as most,
        found.*
    from found
    cross join limits
    union all
    select 'punsafe', punsafe, punsafe_top, punsafe_bottom, found.*
    from found
    cross join limits
    union all
    select 'pwatermark', pwatermark, pwatermark_top, pwatermark_bottom, found.*
    from found
    cross join limits
    union all
    select 'similarity', similarity, similarity_top, similarity_bottom, found.*
    from found
    cross join limits
),
nearest as (
    select
        score, extreme, direction * value as position,
        url, text, width, height, similarity, hash, punsafe, pwatermark, aesthetic, shard_id
    from scored
    join ends
        on (extreme = 'top' and value >= least) or (extreme = 'bottom' and value <= most)
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
    select
        pair_scores.score, ends.extreme, direction * value,
        url, text, width, height, similarity, hash, punsafe, pwatermark, aesthetic, shard_id
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
