-- Every column that the catalogue of signals names is gathered from its mart.
with

gathered as (

    select distinct
        mart,
        column_name,
    from {{ ref('int_signal_inputs_gathered') }}

),

marts as (

    select distinct mart from gathered

),

named as (

    select
        input_id,
        mart,
        column_name,
    from {{ ref('stg_reference__signal_inputs') }}
    union all
    select
        input_id,
        mart,
        minus_column as column_name,
    from {{ ref('stg_reference__signal_inputs') }}
    where minus_column is not null

)

select
    named.input_id,
    named.mart,
    named.column_name,
from named
-- A mart that is empty tonight has no columns to miss.
inner join marts
    on named.mart = marts.mart
left join gathered
    on named.mart = gathered.mart
    and named.column_name = gathered.column_name
where gathered.column_name is null
