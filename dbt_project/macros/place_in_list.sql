{#- Place of the item in the list, from 1; null where it is not in it. -#}
{% macro place_in_list(list, item) -%}
    {{ return(adapter.dispatch('place_in_list', 'smallcaps')(list, item)) }}
{%- endmacro %}

{% macro default__place_in_list(list, item) -%}
    {{ exceptions.raise_compiler_error("place_in_list: no form for " ~ target.type) }}
{%- endmacro %}

{% macro duckdb__place_in_list(list, item) -%}
    list_position({{ list }}, {{ item }})
{%- endmacro %}
