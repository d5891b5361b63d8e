-- The 200 commonest words of the captions of the valid pairs, and the scores of what they describe.
-- A word is a piece between blanks (U+0020) in small letters, without the signs at either end that
-- are neither letter nor digit. It counts as often as it occurs, in its mean score too.
with tokens as (
    select unnest(string_split(lower(text), ' ')) as token, aesthetic
    from valid_pairs
),
-- Each is trimmed once, not as often as it occurs. Scores are summed in units of 2^-40, whose sum
-- does not depend on the order of the rows.
counted as (
    select
        token,
        count(*) as occurrences,
        count(aesthetic) as scored,
        sum(cast(aesthetic * 1099511627776 as bigint)) as aesthetic
    from tokens
    group by token
),
trimmed as (
    select
        regexp_replace(token, '^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$', '', 'g') as word,
        occurrences,
        scored,
        aesthetic
    from counted
),
words as (
    select
        word,
        cast(sum(occurrences) as bigint) as occurrences,
        cast(sum(aesthetic) as double) / 1099511627776 / nullif(sum(scored), 0) as mean_aesthetic
    from trimmed
    group by word
),
-- One more than is wanted, since the commonest may be what is left of signs alone: nothing. Leaving
-- that out before would be done once for each occurrence.
commonest as (
    select *
    from words
    order by occurrences desc, word
    limit 201
),
ranked as (
    select row_number() over (order by occurrences desc, word) as rank, *
    from commonest
    where word <> ''
)
select
    rank, -- 1 is the commonest; ties go by the word
    word, -- The word, in small letters
    occurrences, -- How often it occurs in the captions of valid pairs
    mean_aesthetic -- Mean aesthetic score of the pairs, each as often as it has the word; null where the release has no such score
from ranked
where rank <= 200
order by rank;

-- Ranks count from 1 without a gap, none occurs more often than the one before, and each is a word
-- whose mean score is among the scores of the valid pairs.
select rank, word, occurrences, mean_aesthetic
from (
    select
        *,
        row_number() over (order by rank) as expected,
        count(*) over (partition by word) as times,
        lag(occurrences) over (order by rank) as before
    from caption_words
)
cross join (select min(aesthetic) as lowest, max(aesthetic) as highest from valid_pairs)
where (
    rank = expected and rank <= 200 and times = 1
    and word <> '' and word = lower(word)
    and occurrences > 0 and occurrences <= coalesce(before, occurrences)
    and (mean_aesthetic is null) = (lowest is null)
    and coalesce(mean_aesthetic between lowest - 1e-9 and highest + 1e-9, true)
) is not true
union all
select null, null, count(*), null
from valid_pairs
where regexp_matches(text, '[\p{L}\p{N}]')
having count(*) > 0 and (select count(*) from caption_words) = 0
