{#-
    Joins each left row to the newest right row that was there at the time.
    right: relation or CTE (with alias if wanted); keys: list of equalities; at: one inequality
    "left.time >= right.time".
-#}
{% macro asof_left_join(right, keys, at) -%}
    {{ return(adapter.dispatch('asof_left_join', 'smallcaps')(right, keys, at)) }}
{%- endmacro %}

{% macro default__asof_left_join(right, keys, at) -%}
    {{ exceptions.raise_compiler_error("asof_left_join: no form for " ~ target.type) }}
{%- endmacro %}

{% macro duckdb__asof_left_join(right, keys, at) -%}
    asof left join {{ right }}
        on {{ (keys + [at]) | join('\n        and ') }}
{%- endmacro %}
