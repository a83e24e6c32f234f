{#-
    One name a sector over the years and issuers: what a file calls Telecommunications,
    Telecommunication Services or Communication Services is Communication, so that the sector's
    series does not break where only the word changed. A dash or nothing names no sector.
-#}
{% macro sector_name(sector) -%}
    case
        when {{ sector }} in (
            'Telecommunications', 'Telecommunication Services', 'Communication Services'
        ) then 'Communication'
        when {{ sector }} not in ('', '-', '--') then {{ sector }}
    end
{%- endmacro %}
