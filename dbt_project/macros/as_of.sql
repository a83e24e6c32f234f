{% macro as_of() -%}
    {#- The last day whose knowledge may be used, as a date literal. -#}
    date '{{ var("as_of") }}'
{%- endmacro %}


{#- A raw row counts if it could be read by the end of the day (`as_of`) and we had loaded it by
    then (`loaded_by`, which is later only where the day lies before our first load). The one
    condition under which staging reads raw. -#}
{% macro was_known() -%}
    known_on <= {{ as_of() }}
    and loaded_as_of <= date '{{ var("loaded_by") }}'
{%- endmacro %}
