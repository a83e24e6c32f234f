"""Two sensors that tell somebody: a run failed, a published version has silent or stale sources.

On by default in the live world, off in the sample; without a webhook or a mailbox in the
environment they say that and do nothing. What is sent, and how often, is in `alert_delivery`.
"""

import dagster as dg

from pipelines.alert_delivery import tell_of_degraded, tell_of_failure
from pipelines.settings import read_settings
from pipelines.storage import snapshot
from pipelines.storage.errors import NothingPublished

NOT_SET = "neither SMALLCAPS_ALERT_WEBHOOK nor SMALLCAPS_ALERT_SMTP is set"
STATUS = (
    dg.DefaultSensorStatus.RUNNING
    if read_settings().world == "live"
    else dg.DefaultSensorStatus.STOPPED
)


@dg.run_failure_sensor(
    default_status=STATUS,
    minimum_interval_seconds=30,
    description="One message per cause and day: what failed, which rule, which rows, what is "
    "still published, where the run can be seen.",
)
def tell_of_failed_run(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell of a run that failed, whatever started it."""
    settings = read_settings()
    if not settings.alerts_are_on:
        return dg.SkipReason(NOT_SET)
    run = context.dagster_run
    told = tell_of_failure(settings, run.run_id, _first_failure(context))
    context.log.info(f"run {run.run_id}: {', '.join(told) or 'told already today'}")
    return None


@dg.sensor(
    default_status=STATUS,
    minimum_interval_seconds=300,
    description="One message per feed, kind of trouble and day, after each new publication.",
)
def tell_of_degraded_sources(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell of sources that are silent or stale in a version that was not looked at yet."""
    settings = read_settings()
    if not settings.alerts_are_on:
        return dg.SkipReason(NOT_SET)
    try:
        version = str(snapshot.read_publication(settings)["version"])
    except NothingPublished:
        return dg.SkipReason("nothing is published yet")
    if version == context.cursor:
        return dg.SkipReason(f"{version} was looked at already")
    told = tell_of_degraded(settings)
    context.update_cursor(version)
    return dg.SkipReason(f"{version}: {', '.join(told) or 'nothing new to tell'}")


def _first_failure(context: dg.RunFailureSensorContext) -> str:
    """Return the first step's error, its cause rather than Dagster's wrapper around it."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            told = error.cause or error
            return f"{event.step_key}: {told.message}".strip()
    return context.failure_event.message or ""


defs = dg.Definitions(sensors=[tell_of_failed_run, tell_of_degraded_sources])
