from pipelines.statistics.event_means import bootstrap_event_means


def model(dbt, session):  # noqa: ARG001, D103
    return bootstrap_event_means(dbt.ref("int_event_returns_measured").df())
