{#-
    The series that macro_regime stands on: block, series, and the prefix of its columns. One list,
    so that a figure, its dates and its staleness cannot come apart.
-#}
{% macro macro_regime_inputs() -%}
    {{ return([
        ('inflation', 'PCEPILFE', 'core_pce'),
        ('inflation', 'T10YIE', 'breakeven_10y'),
        ('projections', 'JCXFEMD', 'fomc_core_pce'),
        ('projections', 'FEDTARMD', 'fomc_funds_rate'),
        ('policy', 'DFEDTAR_MID', 'fed_target_mid'),
        ('rates', 'DGS3MO', 'yield_3m'),
        ('rates', 'DGS2', 'yield_2y'),
        ('rates', 'DGS10', 'yield_10y'),
        ('rates', 'T10Y2Y', 'slope_10y_2y'),
        ('rates', 'T10Y3M', 'slope_10y_3m'),
        ('rates', 'DFII10', 'real_yield_10y'),
        ('credit', 'BAMLH0A0HYM2', 'high_yield_spread'),
        ('credit', 'BAA10Y', 'baa_spread'),
        ('credit', 'NFCI', 'nfci'),
        ('dollar', 'DTWEXBGS', 'broad_dollar'),
        ('dollar', 'ECBDFR', 'ecb_deposit_rate'),
        ('labour', 'PAYEMS', 'payrolls'),
        ('labour', 'UNRATE', 'unemployment'),
        ('labour', 'ICSA', 'claims'),
        ('cycle', 'USREC', 'recession'),
    ]) }}
{%- endmacro %}
