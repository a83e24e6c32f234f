{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- Exact names: schema.table is the Dagster asset key, with no target prefix before it. -#}
    {{ target.schema if custom_schema_name is none else custom_schema_name | trim }}
{%- endmacro %}
