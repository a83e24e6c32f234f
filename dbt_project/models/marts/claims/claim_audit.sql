with

claims as (

    select * from {{ ref('int_claims_dated') }}

),

measured as (

    select * from {{ ref('int_claims_measured') }}

),

compared as (

    select
        claims.*,
        measured.measured_value,
        measured.figure,
        measured.figure_unit,
        measured.second_value,
        measured.second_figure,
        measured.n,
        measured.is_complete,
        measured.is_suspect,
        measured.observed_on,
        measured.measured_row,
        measured.source,
        cast(claims.until_on - measured.observed_on as integer) as data_age_days,
        -- Nine places, so that a value on the edge is not pushed over it by binary fractions.
        round(abs(measured.measured_value - claims.stated_value), 9) as distance,
    from claims
    left join measured
        on claims.claim_id = measured.claim_id

),

judged as (

    select
        *,
        case
            when judged in ('not_testable', 'different_measure') then judged
            when
                about_on <= clock_on
                and measured_value is not null
                and is_complete
                and data_age_days <= 100
                then case when distance <= tolerance then 'supported' else 'contradicted' end
            else 'outside_data'
        end as verdict,
    from compared

),

final as (

    select
        claim_id,
        statement,
        stated_value,
        unit,
        about_on,
        tolerance,
        verdict,
        measured_value,
        distance,
        figure,
        figure_unit,
        reading,
        second_value,
        second_figure,
        second_reading,
        n,
        coalesce(is_suspect, false) as is_suspect,
        verdict in ('supported', 'contradicted')
        and tolerance > 0
        and round(abs(distance - tolerance), 9) <= round(0.2 * tolerance, 9) as is_close_call,
        observed_on,
        data_age_days,
        measured_row,
        source,
        case when verdict not in ('supported', 'contradicted') then would_need end as would_need,
        note,
        clock_on as judged_on,
    from judged

)

select * from final
order by claim_id
