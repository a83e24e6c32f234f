{#- The group whose flow a fund belongs to: a sector fund's sector is a group of its own. -#}
{% macro flow_group(funds) -%}
    case
        when {{ funds }}.group_id = 'sector'
            then 'sector_' || replace(lower({{ funds }}.sector), ' ', '_')
        else {{ funds }}.group_id
    end
{%- endmacro %}
