-- Who serves the images: every registrable host of the valid pairs, such as pinimg.com of
-- i.pinimg.com, with what its pairs add up to.
-- Registrable is the name that somebody registered: one label below a public suffix (the ICANN part
-- of the Public Suffix List), or below the last label where the list does not know it. An address in
-- digits, and a name that is itself a public suffix or has one label, stay what they are.
-- Other tables about hosts are made from this one.
with authorities as (
    select
        split_part(url, '/', 3) as authority,
        count(*) as pairs,
        -- in units of 2^-40, whose sums do not depend on the order of the rows
        sum(cast(aesthetic * 1099511627776 as bigint)) as aesthetic,
        sum(cast(punsafe * 1099511627776 as bigint)) as punsafe,
        sum(cast(pwatermark * 1099511627776 as bigint)) as pwatermark,
        sum(case when pwatermark >= 0.5 then 1 else 0 end) as watermarked
    from valid_pairs
    group by split_part(url, '/', 3)
),
-- What stands around the host is taken off each authority once, not off every URL: what follows a
-- host without a slash, a user and password, a port, and the dot of the root.
hosts as (
    select
        authority,
        regexp_replace(
            regexp_replace(
                regexp_replace(lower(authority), '[?#\\].*$', ''),
                '^.*@',
                ''
            ),
            '[.]?(:[0-9]*)?$',
            ''
        ) as host
    from authorities
),
names as (
    select distinct
        host,
        split_part(host, '.', -1) as last1,
        split_part(host, '.', -2) || '.' || split_part(host, '.', -1) as last2,
        split_part(host, '.', -3) || '.' || split_part(host, '.', -2) || '.'
            || split_part(host, '.', -1) as last3,
        split_part(host, '.', -4) || '.' || split_part(host, '.', -3) || '.'
            || split_part(host, '.', -2) || '.' || split_part(host, '.', -1) as last4,
        length(host) - length(replace(host, '.', '')) + 1 as labels
    from hosts
),
endings as (
    select host, last1 as ending from names
    union all
    select host, last2 from names where labels >= 2
    union all
    select host, last3 from names where labels >= 3
    union all
    select host, last4 from names where labels >= 4
),
-- An exception counts before all others; 100 is more than a name has labels.
matched as (
    select
        endings.host,
        max(
            case when public_suffixes.exception then 100 else 0 end + public_suffixes.labels
        ) % 100 as labels
    from endings
    join public_suffixes on public_suffixes.ending = endings.ending
    group by endings.host
),
registered as (
    select
        names.host,
        case
            when regexp_full_match(names.host, '[0-9.]+|\[.*\]') then names.host
            when names.labels < coalesce(matched.labels, 2) then names.host
            when coalesce(matched.labels, 2) = 2 then last2
            when matched.labels = 3 then last3
            when matched.labels = 4 then last4
            else split_part(names.host, '.', -5) || '.' || last4
        end as registrable
    from names
    left join matched on matched.host = names.host
)
select
    registered.registrable as host, -- The registrable host, in small letters
    cast(sum(authorities.pairs) as bigint) as pairs, -- Valid pairs whose image it serves
    cast(sum(aesthetic) as double) / 1099511627776 / sum(pairs) as mean_aesthetic, -- Mean aesthetic score; null where the release has none
    cast(sum(punsafe) as double) / 1099511627776 / sum(pairs) as mean_punsafe, -- Mean probability of being unsafe; null where the release has none
    cast(sum(pwatermark) as double) / 1099511627776 / sum(pairs) as mean_pwatermark, -- Mean probability of a watermark; null where the release has none
    case when sum(pwatermark) is not null then sum(watermarked) / sum(pairs) end as watermarked_share -- Of its pairs those with a pwatermark of at least 0.5, from 0 to 1; null where the release has none
from authorities
join hosts on hosts.authority = authorities.authority
join registered on registered.host = hosts.host
group by registered.registrable
order by pairs desc, host;

-- The hosts have every valid pair once, each host is there once, and shares and means are possible.
select host, pairs, expected
from (
    select
        *,
        count(*) over (partition by host) as times,
        sum(pairs) over () as held,
        (select count(*) from valid_pairs) as expected
    from host_totals
)
where (
    times = 1 and held = expected and pairs > 0
    and coalesce(watermarked_share between 0 and 1, true)
    and coalesce(mean_punsafe between 0 and 1, true)
    and coalesce(mean_pwatermark between 0 and 1, true)
) is not true
union all
select null, 0, count(*)
from valid_pairs
having count(*) > 0 and (select count(*) from host_totals) = 0
