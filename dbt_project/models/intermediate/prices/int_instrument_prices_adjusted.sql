with

bars as (

    select * from {{ ref('stg_prices__instrument_bars') }}

),

{{ adjusted_prices('bars') }}
