{% macro as_of() -%}
    {#- The last day whose knowledge may be used, as a date literal. -#}
    date '{{ var("as_of") }}'
{%- endmacro %}
