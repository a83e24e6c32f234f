with

bars as (

    select * from {{ ref('stg_prices__constituent_bars') }}

),

{{ adjusted_prices('bars') }}
