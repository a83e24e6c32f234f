"""Small invented batches for the storage tests, and the rules that date them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from pipelines.settings import Settings
from pipelines.sources.payloads import Extract, ItemOutcome, Payload
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.dating import DatingRules
from pipelines.storage.frames import delivered_columns, empty_frame
from pipelines.storage.loader import LoadResult, load_batch

FETCHED = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def settings_in(folder: Path, **options) -> Settings:
    return Settings(**({"world": "sample", "warehouse": folder} | options))


def _month_and_a_half(series_id: str, observed_on: pd.Series) -> pd.Series:
    """Monthly values come out 45 days after their month began; series U* have no rule."""
    if series_id.startswith("U"):
        return pd.Series(pd.NaT, index=observed_on.index, dtype="datetime64[us]")
    if series_id not in ("A", "B", "C", "DGS10"):
        raise KeyError(series_id)
    return observed_on + pd.Timedelta(days=45)


def _next_weekday(days: pd.Series) -> pd.Series:
    return (days + pd.offsets.BDay(1)).astype("datetime64[us]")


RULES = DatingRules(_month_and_a_half, _next_weekday)


def frame_of(table: str, rows: Sequence[Mapping[str, object]], **constants) -> pd.DataFrame:
    """Return rows as a connector would: every delivered column, typed, audit columns filled."""
    contract = RAW_TABLES[table]
    audit = {"source": "fred-graph", "payload_sha256": "0" * 64, "fetched_at": "2024-03-01 22:00"}
    empty = empty_frame(contract)
    columns = [c.name for c in delivered_columns(contract)]
    full = [{**dict.fromkeys(columns), **audit, **constants, **row} for row in rows]
    frame = pd.DataFrame(full, columns=columns)
    for name in columns:
        dtype = empty[name].dtype
        if str(dtype).startswith("datetime"):
            frame[name] = pd.to_datetime(frame[name]).astype(dtype)
        elif str(dtype) in ("int32", "int64"):
            frame[name] = frame[name].astype(str(dtype).title())
        else:
            frame[name] = frame[name].astype(dtype)
    return frame


def observations(values: Mapping[str, float | None], series_id: str = "A", **more) -> pd.DataFrame:
    rows = [{"series_id": series_id, "observed_on": on, "value": v} for on, v in values.items()]
    return frame_of("fred_observations", rows, **more)


def vintages(rows: Sequence[tuple[str, str, float]], series_id: str = "A") -> pd.DataFrame:
    """Rows are (observed_on, realtime_start, value)."""
    keyed = [
        {"series_id": series_id, "observed_on": on, "realtime_start": start, "value": value}
        for on, start, value in rows
    ]
    return frame_of("fred_observations", keyed, source="fred-api")


def bars(closes: Mapping[str, float], symbol: str = "IWM", source: str = "yahoo") -> pd.DataFrame:
    rows = [
        {"symbol": symbol, "traded_on": on, "close": close, "volume": 100, "source": source}
        for on, close in closes.items()
    ]
    return frame_of("instrument_bars", rows)


def splits(events: Mapping[str, float], symbol: str = "IWM") -> pd.DataFrame:
    rows = [
        {"symbol": symbol, "event_kind": "split", "event_on": on, "numerator": n, "denominator": 1}
        for on, n in events.items()
    ]
    return frame_of("instrument_events", rows, source="yahoo")


def shares(counts: Mapping[str, float], fund_id: str = "IWM", nav: float = 100.0) -> pd.DataFrame:
    rows = [
        {"fund_id": fund_id, "traded_on": on, "nav_usd": nav, "shares_outstanding": n}
        for on, n in counts.items()
    ]
    return frame_of("fund_shares", rows, source="blackrock")


def holdings(
    as_of_on: str, edition: str, tickers: Sequence[str], fund_id: str = "IWM", **more
) -> dict[str, pd.DataFrame]:
    common = {"fund_id": fund_id, "as_of_on": as_of_on, "edition": edition, "source": "blackrock"}
    common |= more
    file = {"fund_name": "Fund", "equity_lines": len(tickers), "line_count": len(tickers)}
    lines = [
        {"line_no": n, "ticker": t, "name": t, "asset_class": "Equity"}
        for n, t in enumerate(tickers, start=1)
    ]
    return {
        "fund_files": frame_of("fund_files", [file], **common),
        "fund_holdings": frame_of("fund_holdings", lines, **common),
    }


def french(
    edition: str, values: Mapping[str, float], *, sha256: str, frequency: str = "monthly"
) -> dict[str, pd.DataFrame]:
    rows = [
        {
            "file_id": "6_Portfolios_2x3",
            "table_id": "number_of_firms_in_portfolios",
            "frequency": frequency,
            "portfolio": "SMALL LoBM",
            "period_on": on,
            "value": value,
            "edition": edition,
        }
        for on, value in values.items()
    ]
    return {"french_portfolios": frame_of("french_portfolios", rows, payload_sha256=sha256)}


def payload(
    body: bytes = b"body",
    *,
    item: str = "A",
    provider: str = "fred-graph",
    status: int = 200,
    **more,
) -> Payload:
    fields = {
        "provider": provider,
        "kind": "lines",
        "item": item,
        "url": f"https://example.test/{item}",
        "status": status,
        "headers": {"etag": '"1"'},
        "body": body,
        "fetched_at": FETCHED,
        "context": {"series_id": item},
    }
    return Payload(**(fields | more))


def parse_lines(kept: Payload) -> dict[str, pd.DataFrame]:
    """A parser for `2024-01-01 1.5` lines."""
    values = {}
    for line in kept.body.decode().splitlines():
        on, _, value = line.partition(" ")
        values[on] = float(value) if value != "." else None
    frame = observations(values, kept.context["series_id"])
    return {"fred_observations": frame[list(RAW_TABLES["fred_observations"].source_columns)]}


def extract_of(feed: str, *payloads: Payload, frames: Mapping[str, pd.DataFrame]) -> Extract:
    return Extract(
        feed=feed,
        payloads=tuple(p.without_body() for p in payloads),
        outcomes=tuple(ItemOutcome(p.provider, p.item, "fetched") for p in payloads),
        frames=frames,
        requests={"fred-graph": len(payloads)},
    )


def load(
    connection,
    feed: str,
    frames: Mapping[str, pd.DataFrame] | pd.DataFrame,
    as_of: str,
    *,
    payloads: Sequence[Payload] = (),
    unchanged: Sequence[str] = (),
) -> LoadResult:
    """Load under a run named after its as-of date; a single frame is the feed's first table."""
    from pipelines.storage.contracts import FEEDS

    by_table = {FEEDS[feed][0].name: frames} if isinstance(frames, pd.DataFrame) else frames
    return load_batch(
        connection,
        feed,
        by_table,
        run_id=f"run-{as_of}",
        batch_id=f"run-{as_of}:{feed}",
        as_of=date.fromisoformat(as_of),
        payloads=payloads,
        outcomes=[ItemOutcome("x", item, "unchanged") for item in unchanged],
        rules=RULES,
    )


def stored(connection, sql: str) -> list[tuple]:
    return [
        tuple(v.isoformat() if isinstance(v, date) else v for v in row)
        for row in connection.execute(sql).fetchall()
    ]
