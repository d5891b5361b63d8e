-- How large the images are, and of which shape: the valid pairs of known size, class by class.
-- An aspect ratio (width : height) counts as one of the common ones when it is at most 2 % off: 0.02
-- of natural logarithms, so that wider and narrower are alike.
-- Classes of the shortest side hold one another: an image with 1024 px is also among those with at
-- least 256. All others add up to the pairs of known size.
with sized as (
    select
        cast(width as double) as width,
        cast(height as double) as height,
        pairs
    from resolution_counts
),
measured as (
    select 'orientation' as measure, sign(width - height) as value, pairs from sized
    union all
    select 'aspect ratio', ln(width / height), pairs from sized
    union all
    select 'megapixels', width * height / 1e6, pairs from sized
    union all
    select 'shortest side', least(width, height), pairs from sized
),
-- From the lower bound to below the upper; the one class without bounds has what no other has.
classes(measure, place, class, lower, upper) as (
    values
        ('orientation', 1, 'portrait', -1e0, 0e0),
        ('orientation', 2, 'square', 0e0, 1e0),
        ('orientation', 3, 'landscape', 1e0, 2e0),
        ('aspect ratio', 1, '9:16', ln(9 / 16) - 0.02e0, ln(9 / 16) + 0.02e0),
        ('aspect ratio', 2, '2:3', ln(2 / 3) - 0.02e0, ln(2 / 3) + 0.02e0),
        ('aspect ratio', 3, '3:4', ln(3 / 4) - 0.02e0, ln(3 / 4) + 0.02e0),
        ('aspect ratio', 4, '1:1', ln(1 / 1) - 0.02e0, ln(1 / 1) + 0.02e0),
        ('aspect ratio', 5, '4:3', ln(4 / 3) - 0.02e0, ln(4 / 3) + 0.02e0),
        ('aspect ratio', 6, '3:2', ln(3 / 2) - 0.02e0, ln(3 / 2) + 0.02e0),
        ('aspect ratio', 7, '16:9', ln(16 / 9) - 0.02e0, ln(16 / 9) + 0.02e0),
        ('aspect ratio', 8, 'other', null, null),
        ('megapixels', 1, 'below 0.1', 0e0, 0.1e0),
        ('megapixels', 2, '0.1 to 0.25', 0.1e0, 0.25e0),
        ('megapixels', 3, '0.25 to 0.5', 0.25e0, 0.5e0),
        ('megapixels', 4, '0.5 to 1', 0.5e0, 1e0),
        ('megapixels', 5, '1 to 2', 1e0, 2e0),
        ('megapixels', 6, '2 to 4', 2e0, 4e0),
        ('megapixels', 7, '4 and more', 4e0, null),
        ('shortest side', 1, 'at least 256 px', 256e0, null),
        ('shortest side', 2, 'at least 512 px', 512e0, null),
        ('shortest side', 3, 'at least 768 px', 768e0, null),
        ('shortest side', 4, 'at least 1024 px', 1024e0, null)
),
counted as (
    select
        classes.measure,
        classes.place,
        classes.class,
        classes.lower,
        coalesce(sum(measured.pairs), 0) as pairs
    from classes
    left join measured
        on measured.measure = classes.measure
        and measured.value >= classes.lower
        and measured.value < coalesce(classes.upper, 1e300)
    group by classes.measure, classes.place, classes.class, classes.lower
),
known as (
    select coalesce(sum(pairs), 0) as pairs
    from resolution_counts
),
completed as (
    select
        counted.measure,
        counted.place,
        counted.class,
        cast(
            case
                when counted.lower is null
                    then known.pairs - sum(counted.pairs) over (partition by counted.measure)
                else counted.pairs
            end as bigint
        ) as pairs,
        known.pairs as known_pairs
    from counted
    cross join known
)
select
    measure, -- What is classed: 'orientation', 'aspect ratio', 'megapixels' (of a million pixels) or 'shortest side'
    place, -- Place of the class among those of the measure, from 1
    class, -- The class; bounds of megapixels include the lower and exclude the upper
    pairs, -- Valid pairs in the class
    pairs / nullif(known_pairs, 0) as share -- Of the valid pairs whose size is known, from 0 to 1; null where there are none
from completed
order by measure, place;

-- The classes of a measure hold every valid pair of known size once, but for those of the shortest
-- side, of which a stricter holds no more than a looser; shares are of the pairs of known size.
with known as (
    select count(*) as pairs
    from valid_pairs
    where width is not null and height is not null
),
held as (
    select
        measure,
        class,
        pairs,
        share,
        sum(pairs) over (partition by measure) as held,
        coalesce(lag(pairs) over (partition by measure order by place), pairs) as looser
    from resolution_summary
),
wrong as (
    select held.measure, held.class, held.pairs, held.share
    from held
    cross join known
    where (
        case when measure = 'shortest side' then held.pairs <= looser else held.held = known.pairs end
        and held.pairs between 0 and known.pairs
        and coalesce(share, 0) = coalesce(held.pairs / nullif(known.pairs, 0), 0)
    ) is not true
)
select measure, class, pairs, share
from wrong
union all
select 'classes', null, count(*), null
from resolution_summary
having count(*) <> 22
