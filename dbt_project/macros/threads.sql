{#-
    A hook: how many threads the engine may use, or none to give it all of them back.

    A model that follows rows in their order (`along`) is computed by one. A second thread finds
    nothing to do and still burns a core: the client asks for work in a loop while it waits
    (DuckDB 1.5).
-#}
{% macro use_threads(count=none) -%}
    {{ return(adapter.dispatch('use_threads', 'smallcaps')(count)) }}
{%- endmacro %}

{% macro default__use_threads(count) -%}
{%- endmacro %}

{% macro duckdb__use_threads(count) -%}
    {% if count is none %}reset threads{% else %}set threads = {{ count }}{% endif %}
{%- endmacro %}
