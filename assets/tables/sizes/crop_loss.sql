-- What training at a fixed size does to the valid pairs of known size: how many are large enough,
-- and which share of their pixels is cut away.
-- A centre crop shrinks an image until its shorter side fits, then cuts the longer to a square: of
-- a portrait, that is the head and the feet. Aspect-ratio bucketing cuts to the bucket whose aspect
-- ratio is nearest. The buckets are SDXL's at 1024 px (Podell and others 2023, arXiv 2307.01952,
-- appendix I), and the same in proportion at 512 and 768. An image that is smaller than what it is
-- cut to has to be enlarged first.
with sized as (
    select cast(width as double) as width, cast(height as double) as height, pairs
    from resolution_counts
),
sides(side) as (values (512), (768), (1024)),
-- In units of 64 px at 1024.
bucket_sizes(height, width) as (
    values
        (8, 32), (8, 31), (8, 30), (8, 29), (9, 28), (9, 27), (9, 26), (10, 25), (10, 24), (11, 23),
        (11, 22), (11, 21), (12, 21), (12, 20), (13, 19), (13, 18), (14, 18), (14, 17), (15, 17),
        (15, 16), (16, 16), (16, 15), (17, 15), (17, 14), (18, 14), (18, 13), (19, 13), (20, 12),
        (21, 12), (22, 11), (23, 11), (24, 10), (25, 10), (26, 9), (27, 9), (28, 9), (29, 8),
        (30, 8), (31, 8), (32, 8)
),
-- A bucket is the nearest as far as the geometric mean of its aspect ratio and its neighbour's,
-- whose square is `lower_width` / `lower_height`, which belongs to the wider of the two.
buckets as (
    select
        width,
        height,
        coalesce(width * lag(width) over by_ratio, 0) as lower_width,
        coalesce(height * lag(height) over by_ratio, 1) as lower_height,
        coalesce(width * lead(width) over by_ratio, 1) as upper_width,
        coalesce(height * lead(height) over by_ratio, 0) as upper_height
    from (select cast(width as double) as width, cast(height as double) as height from bucket_sizes)
    window by_ratio as (order by width / height)
),
-- What is cut to, in units of a sixteenth of the training size.
targets as (
    select 'centre crop' as method, *, 16e0 as target_width, 16e0 as target_height
    from sized
    union all
    select 'bucketing', sized.*, buckets.width, buckets.height
    from sized
    join buckets
        on sized.width * sized.width * buckets.lower_height
            >= sized.height * sized.height * buckets.lower_width
        and sized.width * sized.width * buckets.upper_height
            < sized.height * sized.height * buckets.upper_width
),
cut as (
    select
        targets.method,
        sides.side,
        1 - least(width * target_height, height * target_width)
            / greatest(width * target_height, height * target_width) as cut,
        sum(pairs) as pairs,
        sum(
            case
                when width * 16 >= target_width * side and height * 16 >= target_height * side
                    then pairs
                else 0
            end
        ) as large_enough
    from targets
    cross join sides
    group by 1, 2, 3
),
selected as (
    select method, side, 'all' as selection, cut, pairs, pairs - large_enough as upscaled
    from cut
    union all
    select method, side, 'large enough', cut, large_enough, 0
    from cut
),
ranked as (
    select
        *,
        sum(pairs) over (partition by method, side, selection order by cut) as so_far,
        sum(pairs) over (partition by method, side, selection) as total
    from selected
),
-- Summed in whole numbers, units of 2^-52, so that the order of the rows does not show.
summed as (
    select
        method,
        side,
        selection,
        cast(sum(pairs) as bigint) as pairs,
        cast(sum(upscaled) as bigint) as upscaled,
        cast(sum(cast(cast(cut * 4503599627370496 as bigint) as hugeint) * pairs) as double)
            / 4503599627370496 as cut,
        min(case when so_far * 4 >= total then cut end) as p25,
        min(case when so_far * 2 >= total then cut end) as p50,
        min(case when so_far * 4 >= total * 3 then cut end) as p75,
        min(case when so_far * 20 >= total * 19 then cut end) as p95
    from ranked
    group by method, side, selection
)
select
    side, -- Training size in px: of the square, or of the square with as many pixels as a bucket
    method, -- 'centre crop' to a square, or aspect-ratio 'bucketing'
    selection, -- Which pairs: 'all' of known size, or only those 'large enough' to need no enlarging
    pairs, -- Valid pairs in the selection
    pairs / first_value(pairs) over (partition by method, side order by selection) as share, -- Of the valid pairs whose size is known, from 0 to 1
    upscaled, -- Of the pairs, those that have to be enlarged
    cut / nullif(pairs, 0) as mean_cut, -- Mean share of the pixels that is cut away, from 0 to 1; null where there are no pairs
    case when pairs > 0 then p25 end as p25_cut, -- A quarter of the pairs loses at most this share
    case when pairs > 0 then p50 end as p50_cut, -- Half of the pairs lose at most this share
    case when pairs > 0 then p75 end as p75_cut, -- Three quarters of the pairs lose at most this share
    case when pairs > 0 then p95 end as p95_cut -- 95 % of the pairs lose at most this share
from summed
order by side, method, selection;

-- Every method has all pairs of known size, those large enough or enlarged; none loses less than
-- nothing or more than everything, and its quantiles rise.
with known as (
    select count(*) as pairs
    from valid_pairs
    where width is not null and height is not null
),
beside as (
    select
        *,
        first_value(pairs) over (partition by side, method order by selection) as all_pairs,
        last_value(pairs) over (
            partition by side, method
            order by selection
            rows between unbounded preceding and unbounded following
        ) as large_enough
    from crop_loss
)
select side, method, selection, beside.pairs, upscaled
from beside
cross join known
where (
    all_pairs = known.pairs
    and abs(share - beside.pairs / known.pairs) <= 1e-9
    and upscaled = case when selection = 'all' then all_pairs - large_enough else 0 end
    and (
        beside.pairs = 0
        or (
            p25_cut >= 0 and p25_cut <= p50_cut and p50_cut <= p75_cut and p75_cut <= p95_cut
            and p95_cut < 1 and mean_cut >= 0 and mean_cut < 1
        )
    )
) is not true
union all
select null, null, null, count(*), null
from crop_loss
having count(*) <> (select case when pairs > 0 then 12 else 0 end from known)
