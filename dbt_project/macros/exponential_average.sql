{#-
    The exponential average of a numbered series, seeded with its first value, without recursion.

    E_0 = x_0 and E_t = d E_(t-1) + alpha x_t with d = 1 - alpha. Unrolled, with weight 1 for x_0
    and alpha for the others, E_t = sum over i <= t of weight_i x_i d^(t-i). The series is cut into
    blocks of 256 so that d^(-i) stays a harmless number; the average at the end of a block reaches
    the next one times d^(offset + 1). Three blocks back are carried: what came before would weigh
    d^768, which is under 1e-17 for every alpha >= 0.05, less than a DOUBLE can show.

    The sums are DECIMAL: sums of DOUBLE depend on the order of adding, and a rebuild as of a past
    day would differ from what was published in the last digit. 13 places keep 1e-11; for alpha up
    to 2/11 and |x| up to 1,000 x 0.9^-255 or 1 x (9/11)^-255 the 25 places before the point do.

    Writes CTEs `<name>_blocks`, `<name>_carried` and `<name>` (keys, value_no, `name`) over
    `relation` (keys, value_no from 0 without a gap, value).
-#}
{% macro exponential_average(name, relation, keys, value, alpha) -%}
{%- set block = 256 -%}
{%- set decay = '(1.0e0 - ' ~ alpha ~ ')' -%}
{{ name }}_blocks as (

    select
        {{ keys | join(', ') }},
        value_no,
        value_no // {{ block }} as block_no,
        value_no % {{ block }} as offset_no,
        power({{ decay }}, value_no % {{ block }}) * sum(cast(
            case when value_no = 0 then 1.0e0 else {{ alpha }} end
            * {{ value }}
            * power({{ decay }}, -(value_no % {{ block }}))
            as decimal(38, 13)
        )) over (
            partition by {{ keys | join(', ') }}, value_no // {{ block }}
            order by value_no
            rows between unbounded preceding and current row
        ) as within_block,
    from {{ relation }}

),

{{ name }}_carried as (

    select
        {{ keys | join(', ') }},
        block_no,
        within_block
        + coalesce(
            power({{ decay }}, {{ block }}) * lag(within_block) over by_series, 0
        )
        + coalesce(
            power({{ decay }}, {{ 2 * block }}) * lag(within_block, 2) over by_series, 0
        ) as carried,
    from {{ name }}_blocks
    where offset_no = {{ block - 1 }}
    window by_series as (partition by {{ keys | join(', ') }} order by block_no)

),

{{ name }} as (

    select
        {%- for key in keys %}
        {{ name }}_blocks.{{ key }},
        {%- endfor %}
        {{ name }}_blocks.value_no,
        {{ name }}_blocks.within_block
        + coalesce(
            power({{ decay }}, {{ name }}_blocks.offset_no + 1) * {{ name }}_carried.carried, 0
        ) as {{ name }},
    from {{ name }}_blocks
    left join {{ name }}_carried
        on {{ name }}_blocks.block_no = {{ name }}_carried.block_no + 1
        {%- for key in keys %}
        and {{ name }}_blocks.{{ key }} = {{ name }}_carried.{{ key }}
        {%- endfor %}

)
{%- endmacro %}
