with

files as (

    select * from {{ ref('int_universe_files_dated') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

-- an epoch begins on each session on which a file of any universe comes into force
beginnings as (

    select distinct usable_from
    from files

),

final as (

    select
        sessions.traded_on,
        cast(count(beginnings.usable_from) over (
            order by sessions.traded_on
            rows between unbounded preceding and current row
        ) as integer) as epoch_no,
    from sessions
    left join beginnings
        on sessions.traded_on = beginnings.usable_from

)

select * from final
where epoch_no > 0
order by traded_on
