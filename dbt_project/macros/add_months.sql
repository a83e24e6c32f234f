{#- A date so many calendar months later (or earlier, where negative), as a date. -#}
{% macro add_months(date, months) -%}
    {{ return(adapter.dispatch('add_months', 'smallcaps')(date, months)) }}
{%- endmacro %}

{% macro default__add_months(date, months) -%}
    {{ exceptions.raise_compiler_error("add_months: no form for " ~ target.type) }}
{%- endmacro %}

{% macro duckdb__add_months(date, months) -%}
    cast({{ date }} + to_months(cast({{ months }} as integer)) as date)
{%- endmacro %}
