{#- Measure, its column, and the column that says which side was ahead. -#}
{%- set measures = [
    ('small_price', 'small_return_pct', 'relative_return_pct'),
    ('large_price', 'large_return_pct', 'relative_return_pct'),
    ('relative_price', 'relative_return_pct', 'relative_return_pct'),
    ('small_total', 'small_total_return_pct', 'relative_total_return_pct'),
    ('large_total', 'large_total_return_pct', 'relative_total_return_pct'),
    ('relative_total', 'relative_total_return_pct', 'relative_total_return_pct'),
] -%}
with

event_returns as (

    select * from {{ ref('int_event_returns_measured') }}

),

forward_returns as (

    select * from {{ ref('int_forward_returns_measured') }}

),

-- A kind that never happened has its rows too, with n = 0.
kinds (event_kind, universe_id) as (

    values
    ('record_high', 'russell_2000'),
    ('breakout', 'russell_2000'),
    ('election', 'all'),
    ('first_cut', 'all'),
    ('breadth_thrust', 'russell_2000'),
    ('breadth_thrust', 'sp_500')

),

event_values as (

    {% for measure, value, relative in measures %}
    {% if not loop.first %}union all{% endif %}
    select
        event_kind,
        universe_id,
        event_on,
        horizon_sessions,
        '{{ measure }}' as measure,
        {{ value }} as value_pct,
        {{ relative }} as relative_pct,
    from event_returns
    {% endfor %}

),

session_values as (

    {% for measure, value, relative in measures %}
    {% if not loop.first %}union all{% endif %}
    select
        traded_on,
        horizon_sessions,
        measured_until_on,
        '{{ measure }}' as measure,
        {{ value }} as value_pct,
        {{ relative }} as relative_pct,
    from forward_returns
    {% endfor %}

),

{#- The same figures of the events and of all sessions. Sums are decimal, so that the same sessions
    give the same digits in every build. #}
{%- for name, relation, prefix, keys, day in [
    ('events_described', 'event_values', '', 'event_kind, universe_id, ', 'event_on'),
    ('base_rates', 'session_values', 'base_', 'measured_until_on, ', 'traded_on'),
] %}
{{ name }} as (

    select
        {{ keys }}horizon_sessions,
        measure,
        cast(count(value_pct) as integer) as {{ prefix }}n,
        min({{ day }}) filter (where value_pct is not null) as {{ prefix }}first_on,
        max({{ day }}) filter (where value_pct is not null) as {{ prefix }}last_on,
        avg(cast(value_pct as decimal(38, 15))) as {{ prefix }}mean_pct,
        median(value_pct) as {{ prefix }}median_pct,
        100.0e0 * count(*) filter (where value_pct > 0) / nullif(count(value_pct), 0)
            as {{ prefix }}share_positive_pct,
        100.0e0 * count(*) filter (where relative_pct > 0) / nullif(count(relative_pct), 0)
            as {{ prefix }}share_small_beats_large_pct,
    from {{ relation }}
    group by {{ keys }}horizon_sessions, measure

),
{% endfor %}
intervals as (

    select * from {{ ref('int_event_means_bootstrapped') }}

),

final as (

    select
        kinds.event_kind,
        kinds.universe_id,
        base_rates.horizon_sessions,
        base_rates.measure,
        base_rates.measured_until_on,
        coalesce(events_described.n, 0) as n,
        coalesce(cast(intervals.n_without_overlap as integer), 0) as n_without_overlap,
        coalesce(events_described.n, 0) < 10 as is_thin,
        events_described.first_on as first_event_on,
        events_described.last_on as last_event_on,
        events_described.mean_pct,
        intervals.mean_low_pct,
        intervals.mean_high_pct,
        events_described.median_pct,
        events_described.share_positive_pct,
        events_described.share_small_beats_large_pct,
        base_rates.base_n,
        base_rates.base_mean_pct,
        base_rates.base_median_pct,
        base_rates.base_share_positive_pct,
        base_rates.base_share_small_beats_large_pct,
    from kinds
    cross join base_rates
    left join events_described
        on kinds.event_kind = events_described.event_kind
        and kinds.universe_id = events_described.universe_id
        and base_rates.horizon_sessions = events_described.horizon_sessions
        and base_rates.measure = events_described.measure
    left join intervals
        on kinds.event_kind = intervals.event_kind
        and kinds.universe_id = intervals.universe_id
        and base_rates.horizon_sessions = intervals.horizon_sessions
        and base_rates.measure = intervals.measure

)

select * from final
order by event_kind, universe_id, horizon_sessions, measure
