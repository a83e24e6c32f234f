{#-
    Hooks around a model that one thread computes, because it follows rows in their order (`along`).
    A second thread would find nothing to do and still burn a core: the client asks for work in a
    loop while it waits (DuckDB 1.5: twice the CPU, and no faster).
-#}
{% macro use_one_thread() -%}
    {{ return(adapter.dispatch('use_one_thread', 'smallcaps')()) }}
{%- endmacro %}

{% macro default__use_one_thread() -%}
{%- endmacro %}

{% macro duckdb__use_one_thread() -%}
    set threads = 1
{%- endmacro %}

{% macro use_all_threads() -%}
    {{ return(adapter.dispatch('use_all_threads', 'smallcaps')()) }}
{%- endmacro %}

{% macro default__use_all_threads() -%}
{%- endmacro %}

{% macro duckdb__use_all_threads() -%}
    reset threads
{%- endmacro %}
