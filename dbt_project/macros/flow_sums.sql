{#-
    Columns with the sum of daily flows over the last n sessions and over the year to date, in USD
    and as the sum of daily percentages. A window is full or null, and null too when more than a
    fifth of its days have no flow. Summed as decimals (micro-dollars, 15 places of a percent), so
    that the rows of a past day keep their digits when later days join.
-#}
{% macro flow_sums(partition_by) -%}
    {%- for name, frame in [
        ('5d', 5), ('21d', 21), ('63d', 63), ('ytd', none)
    ] %}
        {%- set over -%}
            over (
                partition by {{ partition_by }}{% if frame is none %}, year(traded_on){% endif %}
                order by traded_on
                rows between {% if frame is none %}unbounded{% else %}{{ frame - 1 }}{% endif %} preceding and current row
            )
        {%- endset %}
        {%- for column, unit, places in [('flow_usd', 'usd', 6), ('flow_pct_aum', 'pct_aum', 15)] %}
        case
            when
                5 * (count(*) {{ over }} - count({{ column }}) {{ over }}) <= count(*) {{ over }}
                {%- if frame is not none %}
                and count(*) {{ over }} = {{ frame }}
                {%- endif %}
                then cast(sum(cast({{ column }} as decimal(38, {{ places }}))) {{ over }} as double)
        end as flow_{{ name }}_{{ unit }},
        {%- endfor %}
    {%- endfor %}
{%- endmacro %}
