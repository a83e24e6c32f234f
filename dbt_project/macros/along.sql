{#-
    The window that follows the rows of a table as they lie: `lag(close, 3) {{ along(...) }}` is the
    close of the third row before, whoever's it is. The reader compares the key of that row with its
    own. It needs neither sort nor partition and holds no more rows than the lag is long, so that it
    runs at the speed of the scan, in the memory of a few vectors.

    The table must be written in the order of keys and order_by, and be read alone: a join before
    the window may turn its sides and with them the order. The test `lies_in_order` stands at the
    table. Where an engine promises no order of a scan, the same rows are found by a sort; the row
    before the first of a key is then null instead of another key's.
-#}
{% macro along(keys, order_by) -%}
    {{ return(adapter.dispatch('along', 'smallcaps')(keys, order_by)) }}
{%- endmacro %}

{% macro default__along(keys, order_by) -%}
    over (partition by {{ keys | join(', ') }} order by {{ order_by }})
{%- endmacro %}

{% macro duckdb__along(keys, order_by) -%}
    over ()
{%- endmacro %}
