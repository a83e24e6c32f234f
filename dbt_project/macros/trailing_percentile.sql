{#-
    Share in percent of the last n values that are <= this one, this one included; null until n
    values stand in the frame.
-#}
{% macro trailing_percentile(value, rows, order_by, partition_by) -%}
    {{ return(adapter.dispatch('trailing_percentile', 'smallcaps')(
        value, rows, order_by, partition_by
    )) }}
{%- endmacro %}

{% macro default__trailing_percentile(value, rows, order_by, partition_by) -%}
    {{ exceptions.raise_compiler_error("trailing_percentile: no form for " ~ target.type) }}
{%- endmacro %}

{% macro duckdb__trailing_percentile(value, rows, order_by, partition_by) -%}
    {#- The order inside the call ranks within the frame: n log n, where a self join is n times w. -#}
    {%- set frame -%}
        over (
            partition by {{ partition_by }}
            order by {{ order_by }}
            rows between {{ rows - 1 }} preceding and current row
        )
    {%- endset -%}
    case
        when count({{ value }}) {{ frame }} = {{ rows }}
            then 100 * cume_dist(order by {{ value }}) {{ frame }}
    end
{%- endmacro %}
