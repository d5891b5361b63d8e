-- How many valid pairs of each shard have which score, counted in one pass for all tables that tell
-- of the whole release. Bins are counted from 0; how many there are a unit is in `scores`.
select
    shard_id, -- The shard that the pairs are from
    score, -- Name of the score
    bin, -- The bin that holds the score, as in `score_histogram`
    on_edge, -- Whether it is the lowest score of the bin, where a filter keeps lower scores; else false
    count(*) as pairs -- Valid pairs of the shard with such a score
from pair_scores
group by shard_id, score, bin, on_edge
order by shard_id, score, bin, on_edge;

-- A shard has as many pairs with a score as there are valid pairs that have it.
select
    coalesce(counted.shard_id, expected.shard_id) as shard_id,
    coalesce(counted.score, expected.score) as score,
    counted.pairs,
    expected.pairs as expected
from (
    select shard_id, score, cast(sum(pairs) as bigint) as pairs, min(pairs) as fewest
    from scores_by_shard
    group by shard_id, score
) as counted
full join (
    select shard_id, score, count(*) as pairs
    from pair_scores
    group by shard_id, score
) as expected on expected.shard_id = counted.shard_id and expected.score = counted.score
where (counted.pairs = expected.pairs and fewest > 0) is not true
