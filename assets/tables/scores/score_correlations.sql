-- Do scores, size and caption length go together? Correlation of each two of them over the valid pairs
-- that have both: Pearson's, which sees straight lines, and Spearman's, which sees any rise or fall.
-- 1 is together, -1 is against each other, 0 is neither; none of them says what causes what.
-- Pearson's is of all pairs. Spearman's is of a sample, since ranking all takes minutes at full size:
-- of more than 250,000 pairs the nth part by hash that leaves about as many (standard error 0.002).
-- Both are rounded to six digits: in those behind, the order of the rows shows.
with measured as (
    select
        aesthetic,
        cast(width as double) / height as aspect_ratio,
        length(text) as characters,
        log2(cast(width as double) * height) as log2_pixels,
        punsafe,
        pwatermark,
        similarity,
        -- Without a hash the URL decides, by the number that its MD5 begins with.
        coalesce(hash, cast('0x' || left(md5(url), 8) as bigint)) as key
    from valid_pairs
),
sampled as (
    select measured.*
    from measured
    cross join (select greatest(1, count(*) // 250000) as nth from valid_pairs)
    where key % nth = 0
),
-- Equal values share the mean of their ranks.
ranked as (
    select
        case when aesthetic is not null
            then rank() over (order by aesthetic) + (count(*) over (partition by aesthetic) - 1) / 2
        end as aesthetic,
        case when aspect_ratio is not null
            then rank() over (order by aspect_ratio) + (count(*) over (partition by aspect_ratio) - 1) / 2
        end as aspect_ratio,
        case when characters is not null
            then rank() over (order by characters) + (count(*) over (partition by characters) - 1) / 2
        end as characters,
        case when log2_pixels is not null
            then rank() over (order by log2_pixels) + (count(*) over (partition by log2_pixels) - 1) / 2
        end as log2_pixels,
        case when punsafe is not null
            then rank() over (order by punsafe) + (count(*) over (partition by punsafe) - 1) / 2
        end as punsafe,
        case when pwatermark is not null
            then rank() over (order by pwatermark) + (count(*) over (partition by pwatermark) - 1) / 2
        end as pwatermark,
        case when similarity is not null
            then rank() over (order by similarity) + (count(*) over (partition by similarity) - 1) / 2
        end as similarity
    from sampled
),
lined_up as (
    select false as by_rank, aesthetic, aspect_ratio, characters,
        log2_pixels, punsafe, pwatermark, similarity
    from measured
    union all
    select true, aesthetic, aspect_ratio, characters, log2_pixels, punsafe, pwatermark, similarity
    from ranked
),
correlated as (
    select
        by_rank,
        count(aesthetic + aspect_ratio) as n_aesthetic_aspect_ratio,
        count(aesthetic + characters) as n_aesthetic_characters,
        count(aesthetic + log2_pixels) as n_aesthetic_log2_pixels,
        count(aesthetic + punsafe) as n_aesthetic_punsafe,
        count(aesthetic + pwatermark) as n_aesthetic_pwatermark,
        count(aesthetic + similarity) as n_aesthetic_similarity,
        count(aspect_ratio + characters) as n_aspect_ratio_characters,
        count(aspect_ratio + log2_pixels) as n_aspect_ratio_log2_pixels,
        count(aspect_ratio + punsafe) as n_aspect_ratio_punsafe,
        count(aspect_ratio + pwatermark) as n_aspect_ratio_pwatermark,
        count(aspect_ratio + similarity) as n_aspect_ratio_similarity,
        count(characters + log2_pixels) as n_characters_log2_pixels,
        count(characters + punsafe) as n_characters_punsafe,
        count(characters + pwatermark) as n_characters_pwatermark,
        count(characters + similarity) as n_characters_similarity,
        count(log2_pixels + punsafe) as n_log2_pixels_punsafe,
        count(log2_pixels + pwatermark) as n_log2_pixels_pwatermark,
        count(log2_pixels + similarity) as n_log2_pixels_similarity,
        count(punsafe + pwatermark) as n_punsafe_pwatermark,
        count(punsafe + similarity) as n_punsafe_similarity,
        count(pwatermark + similarity) as n_pwatermark_similarity,
        corr(aesthetic, aspect_ratio) as aesthetic_aspect_ratio,
        corr(aesthetic, characters) as aesthetic_characters,
        corr(aesthetic, log2_pixels) as aesthetic_log2_pixels,
        corr(aesthetic, punsafe) as aesthetic_punsafe,
        corr(aesthetic, pwatermark) as aesthetic_pwatermark,
        corr(aesthetic, similarity) as aesthetic_similarity,
        corr(aspect_ratio, characters) as aspect_ratio_characters,
        corr(aspect_ratio, log2_pixels) as aspect_ratio_log2_pixels,
        corr(aspect_ratio, punsafe) as aspect_ratio_punsafe,
        corr(aspect_ratio, pwatermark) as aspect_ratio_pwatermark,
        corr(aspect_ratio, similarity) as aspect_ratio_similarity,
        corr(characters, log2_pixels) as characters_log2_pixels,
        corr(characters, punsafe) as characters_punsafe,
        corr(characters, pwatermark) as characters_pwatermark,
        corr(characters, similarity) as characters_similarity,
        corr(log2_pixels, punsafe) as log2_pixels_punsafe,
        corr(log2_pixels, pwatermark) as log2_pixels_pwatermark,
        corr(log2_pixels, similarity) as log2_pixels_similarity,
        corr(punsafe, pwatermark) as punsafe_pwatermark,
        corr(punsafe, similarity) as punsafe_similarity,
        corr(pwatermark, similarity) as pwatermark_similarity
    from lined_up
    group by by_rank
),
told(measure, other, by_rank, pairs, correlation) as (
    select 'aesthetic', 'aspect ratio', by_rank, n_aesthetic_aspect_ratio, aesthetic_aspect_ratio
    from correlated
    union all
    select 'aesthetic', 'characters', by_rank, n_aesthetic_characters, aesthetic_characters
    from correlated
    union all
    select 'aesthetic', 'log2 pixels', by_rank, n_aesthetic_log2_pixels, aesthetic_log2_pixels
    from correlated
    union all
    select 'aesthetic', 'punsafe', by_rank, n_aesthetic_punsafe, aesthetic_punsafe
    from correlated
    union all
    select 'aesthetic', 'pwatermark', by_rank, n_aesthetic_pwatermark, aesthetic_pwatermark
    from correlated
    union all
    select 'aesthetic', 'similarity', by_rank, n_aesthetic_similarity, aesthetic_similarity
    from correlated
    union all
    select 'aspect ratio', 'characters', by_rank, n_aspect_ratio_characters, aspect_ratio_characters
    from correlated
    union all
    select 'aspect ratio', 'log2 pixels', by_rank, n_aspect_ratio_log2_pixels, aspect_ratio_log2_pixels
    from correlated
    union all
    select 'aspect ratio', 'punsafe', by_rank, n_aspect_ratio_punsafe, aspect_ratio_punsafe
    from correlated
    union all
    select 'aspect ratio', 'pwatermark', by_rank, n_aspect_ratio_pwatermark, aspect_ratio_pwatermark
    from correlated
    union all
    select 'aspect ratio', 'similarity', by_rank, n_aspect_ratio_similarity, aspect_ratio_similarity
    from correlated
    union all
    select 'characters', 'log2 pixels', by_rank, n_characters_log2_pixels, characters_log2_pixels
    from correlated
    union all
    select 'characters', 'punsafe', by_rank, n_characters_punsafe, characters_punsafe
    from correlated
    union all
    select 'characters', 'pwatermark', by_rank, n_characters_pwatermark, characters_pwatermark
    from correlated
    union all
    select 'characters', 'similarity', by_rank, n_characters_similarity, characters_similarity
    from correlated
    union all
    select 'log2 pixels', 'punsafe', by_rank, n_log2_pixels_punsafe, log2_pixels_punsafe
    from correlated
    union all
    select 'log2 pixels', 'pwatermark', by_rank, n_log2_pixels_pwatermark, log2_pixels_pwatermark
    from correlated
    union all
    select 'log2 pixels', 'similarity', by_rank, n_log2_pixels_similarity, log2_pixels_similarity
    from correlated
    union all
    select 'punsafe', 'pwatermark', by_rank, n_punsafe_pwatermark, punsafe_pwatermark
    from correlated
    union all
    select 'punsafe', 'similarity', by_rank, n_punsafe_similarity, punsafe_similarity
    from correlated
    union all
    select 'pwatermark', 'similarity', by_rank, n_pwatermark_similarity, pwatermark_similarity
    from correlated
)
select
    measure, -- One of the two: a score, 'log2 pixels' (of width x height), 'aspect ratio' (width by height) or 'characters' (of the caption)
    other, -- The other one, which comes later in the alphabet
    cast(coalesce(max(case when not by_rank then pairs end), 0) as bigint) as pairs, -- Valid pairs that have both
    round(max(case when not by_rank and not isnan(correlation) then correlation end), 6) + 0
        as pearson, -- Pearson's correlation, from -1 to 1; null where either is the same for all
    round(max(case when by_rank and not isnan(correlation) then correlation end), 6) + 0
        as spearman -- Spearman's rank correlation in the sample, from -1 to 1; null where either is the same for all
from told
group by measure, other
having max(pairs) > 0
order by measure, other;

-- Each two are there once, with the pairs that have both, and no correlation is beyond 1.
with expected as (
    select
        count(*) as pairs,
        count(width + height) as sized,
        count(aesthetic) as aesthetic,
        count(punsafe) as punsafe,
        count(pwatermark) as pwatermark,
        count(similarity) as similarity
    from valid_pairs
)
select measure, other, score_correlations.pairs, pearson, spearman
from score_correlations
cross join expected
where (
    measure < other
    and score_correlations.pairs > 0
    and score_correlations.pairs <= case
        when 'log2 pixels' in (measure, other) or 'aspect ratio' in (measure, other) then sized
        else expected.pairs
    end
    and coalesce(pearson between -1 and 1, true) and coalesce(spearman between -1 and 1, true)
) is not true
union all
select measure, other, count(*), null, null
from score_correlations
group by measure, other
having count(*) > 1
union all
-- Of n measures that there are, each goes with each other one.
select null, null, count(*), null, null
from score_correlations
having count(*) <> (
    select max(n * (n - 1) / 2)
    from (
        select
            case when pairs > 0 then 1 else 0 end
            + case when sized > 0 then 2 else 0 end
            + case when aesthetic > 0 then 1 else 0 end
            + case when punsafe > 0 then 1 else 0 end
            + case when pwatermark > 0 then 1 else 0 end
            + case when similarity > 0 then 1 else 0 end as n
        from expected
    )
)
