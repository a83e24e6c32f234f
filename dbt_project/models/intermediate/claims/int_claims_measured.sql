{%- set themes = ['prices', 'macro', 'portfolios', 'studies'] -%}
with

unioned as (

    {% for theme in themes %}
    {% if not loop.first %}union all{% endif %}
    select
        claim_id,
        measured_value,
        figure,
        figure_unit,
        second_value,
        second_figure,
        n,
        is_complete,
        is_suspect,
        observed_on,
        measured_row,
        source,
    from {{ ref('int_claims_of_' ~ theme ~ '_measured') }}
    {% endfor %}

),

final as (

    select
        claims.claim_id,
        unioned.measured_value,
        unioned.figure,
        unioned.figure_unit,
        unioned.second_value,
        unioned.second_figure,
        unioned.n,
        coalesce(unioned.is_complete, false) as is_complete,
        coalesce(unioned.is_suspect, false) as is_suspect,
        unioned.observed_on,
        unioned.measured_row,
        unioned.source,
    from {{ ref('int_claims_dated') }} as claims
    left join unioned
        on claims.claim_id = unioned.claim_id

)

select * from final
order by claim_id
