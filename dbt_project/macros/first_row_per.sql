{#- Keeps, at the end of a select, the first row of each group: first_row_per(['a'], ['b desc']). -#}
{% macro first_row_per(keys, order_by) -%}
    {{ return(adapter.dispatch('first_row_per', 'smallcaps')(keys, order_by)) }}
{%- endmacro %}

{% macro default__first_row_per(keys, order_by) -%}
    {{ exceptions.raise_compiler_error("first_row_per: no form for " ~ target.type) }}
{%- endmacro %}

{% macro duckdb__first_row_per(keys, order_by) -%}
    qualify row_number() over (
        partition by {{ keys | join(', ') }}
        order by {{ order_by | join(', ') }}
    ) = 1
{%- endmacro %}
