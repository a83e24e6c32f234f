{#-
    True where a fund's shares were split between two counts: the share ratio lies within 5 % of a
    simple ratio other than 1 (that day's creations move it a little), and the NAV fell or rose by
    as much (NAV ratio x share ratio within 5 % of 1).
-#}
{% macro is_fund_split(share_ratio, nav_ratio) -%}
    (
        abs({{ share_ratio }} * {{ nav_ratio }} - 1) <= 0.05
        and (
            {%- for ratio in [1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50] %}
            {% if not loop.first %}or {% endif %}abs({{ share_ratio }} / {{ ratio }} - 1) <= 0.05
            or abs({{ share_ratio }} * {{ ratio }} - 1) <= 0.05
            {%- endfor %}
        )
    )
{%- endmacro %}
