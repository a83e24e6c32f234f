{#-
    Scanned as they lie, the rows ascend in the columns. Who follows them with `along` relies on it.
-#}
{% test lies_in_order(model, columns) %}

select *
from (
    select
        {%- for column in columns %}
        {{ column }},
        lag({{ column }}) {{ along(columns[:-1], columns[-1]) }} as previous_{{ column }},
        {%- endfor %}
    from {{ model }}
) as followed
where false
    {%- for column in columns %}
    or (
        {%- for same in columns[:loop.index0] %}
        previous_{{ same }} = {{ same }} and
        {%- endfor %}
        previous_{{ column }} {{ '>=' if loop.last else '>' }} {{ column }}
    )
    {%- endfor %}

{% endtest %}
