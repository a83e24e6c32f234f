{#- The named columns together name one row, and none of them is null. -#}
{% test unique_grain(model, columns) %}

select
    {{ columns | join(',\n    ') }},
    count(*) as row_count,
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}

{% endtest %}
