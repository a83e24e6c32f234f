{#-
    z-score over the last n rows: (x - mean) / sample standard deviation, this row included; null
    until n values stand in the frame. A hole in the frame makes it null too: it is never skipped.
-#}
{% macro trailing_z(value, rows, order_by, partition_by=none) -%}
    {%- set frame -%}
        over (
            {%- if partition_by %} partition by {{ partition_by }}{% endif %}
            order by {{ order_by }}
            rows between {{ rows - 1 }} preceding and current row
        )
    {%- endset -%}
    case
        when count({{ value }}) {{ frame }} = {{ rows }}
            then
                ({{ value }} - avg({{ value }}) {{ frame }})
                / nullif(stddev_samp({{ value }}) {{ frame }}, 0)
    end
{%- endmacro %}
