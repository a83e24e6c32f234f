with

published as (

    select * from {{ ref('stg_meta__published_signals') }}

),

scorecard as (

    select * from {{ ref('signal_scorecard') }}

),

final as (

    select
        published.signal_id,
        published.traded_on,
        published.as_of as published_as_of,
        published.version as published_in,
        published.score_z as published_score_z,
        scorecard.score_z as current_score_z,
        scorecard.score_z - published.score_z as change_z,
        published.state as published_state,
        scorecard.state as current_state,
        coalesce(published.state, '') != coalesce(scorecard.state, '') as has_changed_state,
    from published
    left join scorecard
        on published.signal_id = scorecard.signal_id
        and published.traded_on = scorecard.traded_on

)

select * from final
order by signal_id, traded_on
