-- Each row's line is that of the row before plus its own net advances, nothing on a hole.
with

steps as (

    select
        *,
        coalesce(lag(ad_line) over (partition by universe_id, sector order by traded_on), 0)
            as line_before,
        case when 2 * priced_members < members then 0 else advances - declines end as step,
    from {{ ref('market_breadth') }}

),

final as (

    select * from steps
    where ad_line != line_before + step

)

select * from final
