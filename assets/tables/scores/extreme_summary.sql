-- What the best and the worst pairs by a score have in common: the two ends of `score_extremes`.
-- A word is one as in `caption_words`, of at least three characters and not among the 25 commonest
-- of the release; a host is the one in the address, without "www.". Of both the five that most pairs
-- have, if at least two do.
with pieces as (
    select distinct
        score,
        extreme,
        rank,
        regexp_replace(piece, '^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$', '', 'g') as word
    from (
        select score, extreme, rank, unnest(string_split(lower(text), ' ')) as piece
        from score_extremes
    )
),
words as (
    select
        pieces.score,
        pieces.extreme,
        pieces.word as name,
        count(*) as pairs,
        row_number() over (
            partition by pieces.score, pieces.extreme
            order by count(*) desc, pieces.word
        ) as place
    from pieces
    left join caption_words on caption_words.word = pieces.word and caption_words.rank <= 25
    where caption_words.word is null and length(pieces.word) >= 3
    group by pieces.score, pieces.extreme, pieces.word
    having count(*) >= 2
),
addresses as (
    select
        score,
        extreme,
        regexp_replace(
            regexp_replace(lower(split_part(url, '/', 3)), '[?#\\].*$|^.*@', '', 'g'),
            '^www[.]|[.]?(:[0-9]*)?$',
            '',
            'g'
        ) as host
    from score_extremes
),
hosts as (
    select
        score,
        extreme,
        host as name,
        count(*) as pairs,
        row_number() over (partition by score, extreme order by count(*) desc, host) as place
    from addresses
    group by score, extreme, host
    having count(*) >= 2
),
top_words as (
    select score, extreme, string_agg(name, ' ' order by place) as names
    from words
    where place <= 5
    group by score, extreme
),
top_hosts as (
    select score, extreme, string_agg(name, ' ' order by place) as names
    from hosts
    where place <= 5
    group by score, extreme
),
summed as (
    select
        score,
        extreme,
        count(*) as pairs,
        median(cast(width as double) * height) as median_pixels,
        avg(
            case
                when width < 256 or height < 256 then 1
                else 0
            end
        ) filter (where width is not null and height is not null) as small_share,
        avg(
            case
                when regexp_full_match(
                    text,
                    '[\x{9}-\x{d}\x{1c}-\x{1f}\x{85}\p{Z}]*\p{Nd}+[\x{9}-\x{d}\x{1c}-\x{1f}\x{85}\p{Z}]*'
                ) then 1
                else 0
            end
        ) as only_digits_share
    from score_extremes
    group by score, extreme
)
select
    summed.score, -- Name of the score
    summed.extreme, -- 'top' for the highest scores, 'bottom' for the lowest
    summed.pairs, -- How many pairs of the end are in score_extremes
    summed.median_pixels, -- Half of them are of no more pixels than this
    summed.small_share, -- Share whose shorter side is below 256 px, from 0 to 1, of those with a known size
    summed.only_digits_share, -- Share whose caption is nothing but digits, from 0 to 1
    top_words.names as top_words, -- The words that most of them have, the commonest first; null where no two share one
    top_hosts.names as top_hosts -- The hosts that most of them are from, the commonest first; null where no two share one
from summed
left join top_words on top_words.score = summed.score and top_words.extreme = summed.extreme
left join top_hosts on top_hosts.score = summed.score and top_hosts.extreme = summed.extreme
order by summed.score, summed.extreme desc;

-- Each end of each score is summed up once, with as many pairs as it has, and shares from 0 to 1.
select coalesce(found.score, expected.score) as score,
    coalesce(found.extreme, expected.extreme) as extreme,
    found.pairs
from (
    select score, extreme, max(pairs) as pairs, count(*) as times,
        min(coalesce(small_share, 0)) as least,
        max(coalesce(small_share, 0)) as most,
        min(only_digits_share) as least_digits,
        max(only_digits_share) as most_digits
    from extreme_summary
    group by score, extreme
) as found
full join (
    select score, extreme, count(*) as pairs
    from score_extremes
    group by score, extreme
) as expected on expected.score = found.score and expected.extreme = found.extreme
where (
    found.pairs = expected.pairs and found.times = 1
    and found.least >= 0 and found.most <= 1
    and found.least_digits >= 0 and found.most_digits <= 1
) is not true
