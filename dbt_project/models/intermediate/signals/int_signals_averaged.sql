with

scored as (

    select * from {{ ref('int_signal_inputs_scored') }}

),

-- Decimals, so that a sum does not depend on the order of adding.
weighed as (

    select
        pillar,
        traded_on,
        count(*) as inputs_expected,
        count(score_z) as inputs_used,
        sum(cast(weight as decimal(18, 9))) as weight_expected,
        sum(cast(weight as decimal(18, 9))) filter (where score_z is not null) as weight_used,
        sum(cast(weight * score_z as decimal(18, 15))) as weighted_score,
    from scored
    group by pillar, traded_on

),

missing as (

    select
        pillar,
        traded_on,
        string_agg(input_id, ', ' order by input_id) as missing_inputs,
        string_agg(input_id || ': ' || missing_because, ', ' order by input_id) as missing_because,
    from scored
    where score_z is null
    group by pillar, traded_on

),

pillars as (

    select
        weighed.pillar as signal_id,
        weighed.traded_on,
        -- Of one input in four a pillar cannot speak: half of the weight must be there.
        case
            when 2 * weighed.weight_used >= weighed.weight_expected
                then round(cast(weighed.weighted_score as double) / cast(weighed.weight_used as double), 10)
        end as score_z,
        weighed.inputs_expected,
        weighed.inputs_used,
        missing.missing_inputs,
        missing.missing_because,
    from weighed
    left join missing
        on weighed.pillar = missing.pillar
        and weighed.traded_on = missing.traded_on

),

composites as (

    select
        'composite' as signal_id,
        traded_on,
        case
            when count(score_z) >= 4
                then round(cast(sum(cast(score_z as decimal(18, 15))) as double) / count(score_z), 10)
        end as score_z,
        count(*) as inputs_expected,
        count(score_z) as inputs_used,
        string_agg(signal_id, ', ' order by signal_id) filter (where score_z is null) as missing_inputs,
        string_agg(signal_id || ': too few inputs', ', ' order by signal_id)
            filter (where score_z is null) as missing_because,
    from pillars
    group by traded_on

),

combined as (

    select * from pillars
    union all
    select * from composites

),

final as (

    select
        signal_id,
        traded_on,
        score_z,
        cast(inputs_expected as integer) as inputs_expected,
        cast(inputs_used as integer) as inputs_used,
        coalesce(missing_inputs, '') as missing_inputs,
        coalesce(missing_because, '') as missing_because,
    from combined

)

select * from final
