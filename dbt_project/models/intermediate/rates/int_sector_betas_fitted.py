from pipelines.statistics.rate_betas import fit_rate_betas


def model(dbt, session):  # noqa: ARG001, D103
    return fit_rate_betas(dbt.ref("int_sector_weeks_valued").df())
