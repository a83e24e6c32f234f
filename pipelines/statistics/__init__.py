"""Estimates that SQL does not say well: regressions, bootstraps, rank correlations.

Pure functions over pandas frames, with statsmodels and scipy; imported inside dbt's Python models
and by nobody who fetches or stores. No dbt, no DuckDB, no files, no clock here.
"""
