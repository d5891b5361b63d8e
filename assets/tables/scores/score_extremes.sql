-- The 100 best and the 100 worst pairs by each score, one a URL: what the score likes and dislikes.
-- Of a URL's pairs the best (or worst) counts; ties go to the lower hash, then the lower URL.
with nearest as (
    -- All pairs up to the 2,000th of each ranking, found by narrow reads: captions are wide.
    select 'aesthetic' as score, 'top' as extreme, -aesthetic as position, valid_pairs.*
    from valid_pairs
    where aesthetic >= (
        select min(value)
        from (select aesthetic as value from valid_pairs where aesthetic is not null order by value desc limit 2000)
    )
    union all
    select 'aesthetic', 'bottom', aesthetic, valid_pairs.*
    from valid_pairs
    where aesthetic <= (
        select max(value)
        from (select aesthetic as value from valid_pairs where aesthetic is not null order by value limit 2000)
    )
    union all
    select 'similarity', 'top', -similarity, valid_pairs.*
    from valid_pairs
    where similarity >= (
        select min(value)
        from (select similarity as value from valid_pairs where similarity is not null order by value desc limit 2000)
    )
    union all
    select 'similarity', 'bottom', similarity, valid_pairs.*
    from valid_pairs
    where similarity <= (
        select max(value)
        from (select similarity as value from valid_pairs where similarity is not null order by value limit 2000)
    )
    union all
    select 'punsafe', 'top', -punsafe, valid_pairs.*
    from valid_pairs
    where punsafe >= (
        select min(value)
        from (select punsafe as value from valid_pairs where punsafe is not null order by value desc limit 2000)
    )
    union all
    select 'punsafe', 'bottom', punsafe, valid_pairs.*
    from valid_pairs
    where punsafe <= (
        select max(value)
        from (select punsafe as value from valid_pairs where punsafe is not null order by value limit 2000)
    )
    union all
    select 'pwatermark', 'top', -pwatermark, valid_pairs.*
    from valid_pairs
    where pwatermark >= (
        select min(value)
        from (select pwatermark as value from valid_pairs where pwatermark is not null order by value desc limit 2000)
    )
    union all
    select 'pwatermark', 'bottom', pwatermark, valid_pairs.*
    from valid_pairs
    where pwatermark <= (
        select max(value)
        from (select pwatermark as value from valid_pairs where pwatermark is not null order by value limit 2000)
    )
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
        score,
        extreme,
        case when extreme = 'top' then -value else value end as position,
        * exclude (score, extreme, value)
    from (
        select
            repetitive.score,
            repetitive.extreme,
            case repetitive.score
                when 'aesthetic' then aesthetic
                when 'similarity' then similarity
                when 'punsafe' then punsafe
                else pwatermark
            end as value,
            valid_pairs.*
        from repetitive
        cross join valid_pairs
    )
    where value is not null
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
