{#- Sum over the rows that fulfil a condition. As decimals: sums of DOUBLE depend on the order of adding. -#}
{% macro decimal_sum(value, condition=none) -%}
    cast(sum(cast({{ value }} as decimal(38, 6))){% if condition %} filter (where {{ condition }}){% endif %} as double)
{%- endmacro %}
