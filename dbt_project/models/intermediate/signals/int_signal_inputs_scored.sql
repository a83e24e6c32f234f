with

inputs as (

    select * from {{ ref('stg_reference__signal_inputs') }}

),

gathered as (

    select * from {{ ref('int_signal_inputs_gathered') }}

),

sessions as (

    select
        traded_on,
        session_no,
    from {{ ref('stg_reference__sessions') }}

),

bounds as (

    select
        min(traded_on) as first_on,
        max(traded_on) as last_on,
    from gathered

),

stale_values as (

    select
        session_values.series_id,
        sessions.session_no,
    from {{ ref('int_macro_session_values') }} as session_values
    inner join sessions
        on session_values.traded_on = sessions.traded_on
    where session_values.is_stale

),

-- A change leans on the value at its beginning too.
stale_inputs as (

    select
        inputs.input_id,
        stale_values.session_no,
    from inputs
    inner join stale_values
        on {{ place_in_list('inputs.series', 'stale_values.series_id') }} is not null
    union
    select
        inputs.input_id,
        stale_values.session_no + inputs.span_sessions as session_no,
    from inputs
    inner join stale_values
        on {{ place_in_list('inputs.series', 'stale_values.series_id') }} is not null

),

input_values as (

    select
        inputs.input_id,
        sessions.traded_on,
        sessions.session_no,
        case
            when inputs.minus_column is null then gathered.value
            else gathered.value - subtracted.value
        end as value,
        coalesce(gathered.is_reliable, false) as is_reliable,
        stale_inputs.input_id is not null as is_stale,
    from inputs
    cross join bounds
    inner join sessions
        on sessions.traded_on between bounds.first_on and bounds.last_on
    left join gathered
        on inputs.mart = gathered.mart
        and inputs.column_name = gathered.column_name
        and sessions.traded_on = gathered.traded_on
    left join gathered as subtracted
        on inputs.mart = subtracted.mart
        and inputs.minus_column = subtracted.column_name
        and sessions.traded_on = subtracted.traded_on
    left join stale_inputs
        on inputs.input_id = stale_inputs.input_id
        and sessions.session_no = stale_inputs.session_no

),

usable as (

    select
        input_values.input_id,
        inputs.scale,
        inputs.look_back_sessions,
        input_values.session_no,
        input_values.value,
    from input_values
    inner join inputs
        on input_values.input_id = inputs.input_id
    where input_values.value is not null and input_values.is_reliable and not input_values.is_stale

),

-- The last n usable values must lie within the last 1.1 n sessions: a short hole does not silence an
-- input for years, a long one does.
standardised as (
    {% for n in [252, 756, 2520] %}
    select
        input_id,
        session_no,
        case
            when
                session_no - lag(session_no, {{ n - 1 }}) over (partition by input_id order by session_no) + 1
                <= 1.1 * {{ n }}
                then {{ trailing_z('value', n, 'session_no', 'input_id') }}
        end as z,
    from usable
    where scale = 'z_score' and look_back_sessions = {{ n }}
    union all
    {% endfor %}
    select
        input_id,
        session_no,
        value as z,
    from usable
    where scale = 'as_published'

),

-- Ten places: windows of doubles differ in the last digits from one build to the next.
rounded as (

    select
        input_id,
        session_no,
        round(z, 10) as z,
    from standardised

),

final as (

    select
        input_values.input_id,
        inputs.pillar,
        inputs.weight,
        input_values.traded_on,
        input_values.value,
        rounded.z,
        inputs.orientation * case
            when rounded.z > 3 then 3
            when rounded.z < -3 then -3
            else rounded.z
        end as score_z,
        case
            when input_values.value is null then 'no value'
            when not input_values.is_reliable then 'unreliable'
            when input_values.is_stale then 'stale'
            when rounded.z is null then 'window not full'
        end as missing_because,
    from input_values
    inner join inputs
        on input_values.input_id = inputs.input_id
    left join rounded
        on input_values.input_id = rounded.input_id
        and input_values.session_no = rounded.session_no

)

select * from final
