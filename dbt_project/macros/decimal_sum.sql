{#- Sum over the rows that fulfil a condition. As decimals: sums of DOUBLE depend on the order of adding. -#}
{% macro decimal_sum(value, condition) -%}
    cast(sum(cast({{ value }} as decimal(38, 6))) filter (where {{ condition }}) as double)
{%- endmacro %}
