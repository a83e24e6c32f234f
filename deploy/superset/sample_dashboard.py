"""Connect Superset to the published file, read-only, and make a sample dashboard, over its API.

Runs in Superset's own environment. What is there already is kept and used: a second run changes
nothing but the dashboard's layout. Prints the address of the dashboard.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

import requests

DATABASE = "smallcaps (published, read-only)"
TITLE = "US small caps"
TABLES = (
    "claim_audit", "event_study_summary", "flow_signals", "fund_flows", "leverage", "macro_regime",
    "market_breadth", "portfolio_fundamentals", "record_highs", "sector_rate_sensitivity",
    "sector_weights", "signal_evidence", "signal_scorecard", "valuation_gaps",
)  # fmt: skip
NEWEST_SIGNALS = (
    "select signal_id, round(score_z, 2) as score_z, state, state_since_on "
    "from marts.signal_scorecard qualify traded_on = max(traded_on) over ()"
)
LABEL = (
    "select case when is_simulated then 'SIMULATED DATA: nothing here is real. ' else '' end "
    "|| 'As of ' || as_of || ', version ' || version as about "
    "from meta.publications order by published_at desc limit 1"
)


def line(metric: str, by: str | None, *filters: tuple[str, str]) -> dict[str, Any]:
    """Return the form of a line over sessions: the mean of a column, one line per value of `by`."""
    return {
        "viz_type": "echarts_timeseries_line",
        "x_axis": "traded_on",
        "time_grain_sqla": "P1D",
        "metrics": [_mean(metric)],
        "groupby": [by] if by else [],
        "adhoc_filters": [_equals(column, value) for column, value in filters],
        "row_limit": 50000,
        "truncate_metric": True,
        "show_legend": True,
        "rich_tooltip": True,
        "y_axis_title": metric,
        "y_axis_title_margin": 30,
    }


def _mean(column: str) -> dict[str, Any]:
    return {
        "expressionType": "SIMPLE",
        "column": {"column_name": column},
        "aggregate": "AVG",
        "label": column,
    }


def _equals(column: str, value: str) -> dict[str, Any]:
    return {
        "expressionType": "SIMPLE",
        "clause": "WHERE",
        "subject": column,
        "operator": "==",
        "comparator": value,
    }


def table(*columns: str) -> dict[str, Any]:
    """Return the form of a table of rows as they stand."""
    return {
        "viz_type": "table",
        "query_mode": "raw",
        "all_columns": list(columns),
        "row_limit": 100,
        "adhoc_filters": [],
        "server_pagination": False,
    }


CHARTS: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("About this data", "about_this_data", table("about"), 12),
    (
        "Small against large caps: z-score of the price ratio", "valuation_gaps",
        line("log_price_ratio_z", "pair_id"), 6,
    ),
    (
        "Members above their 200-day average (%)", "market_breadth",
        line("pct_above_200d", "universe_id", ("sector", "all")), 6,
    ),
    (
        "Flow into small minus large funds, 63 sessions (% of assets)", "flow_signals",
        line("small_minus_large_flow_63d_pct", None, ("group_id", "small_cap")), 6,
    ),
    (
        "Core PCE inflation as known that evening (%)", "macro_regime",
        line("core_pce_yoy_pct", None), 6,
    ),
    (
        "Signals on the newest session", "newest_signals",
        table("signal_id", "score_z", "state", "state_since_on"), 6,
    ),
    (
        "Public claims", "claim_audit",
        table("statement", "stated_value", "measured_value", "unit", "verdict"), 6,
    ),
)  # fmt: skip
VIRTUAL = {"newest_signals": NEWEST_SIGNALS, "about_this_data": LABEL}


class Superset:
    """A logged-in session of the API."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self.http = requests.Session()
        self._wait()
        login = {"username": "admin", "password": password, "provider": "db"}
        token = self._send("post", "security/login", json=login)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        csrf = self._send("get", "security/csrf_token/")["result"]
        self.http.headers.update({"X-CSRFToken": csrf, "Referer": url})

    def _wait(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.http.get(f"{self.url}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            if time.monotonic() > deadline:
                raise SystemExit(f"Superset does not answer at {self.url}")
            time.sleep(0.5)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, f"{self.url}/api/v1/{path}", timeout=120, **options)
        if not answer.ok:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def find(self, kind: str, column: str, value: str) -> int | None:
        """Return the id of the object whose column has this value."""
        query = json.dumps({"filters": [{"col": column, "opr": "eq", "value": value}]})
        found = self._send("get", f"{kind}/", params={"q": query})["result"]
        return int(found[0]["id"]) if found else None

    def ensure(self, kind: str, column: str, value: str, body: dict[str, Any]) -> int:
        """Return the id of the object, which is made of `body` where there is none."""
        found = self.find(kind, column, value)
        return found if found is not None else int(self._send("post", f"{kind}/", json=body)["id"])

    def change(self, kind: str, number: int, body: dict[str, Any]) -> None:
        """Change an object."""
        self._send("put", f"{kind}/{number}", json=body)

    def rows(self, chart: int) -> int:
        """Return how many rows a chart's own query gives.

        Raises:
            SystemExit: the query fails.
        """
        result = self._send("get", f"chart/{chart}/data/")["result"]
        return sum(part["rowcount"] for part in result)


def main() -> int:
    """Set everything up; every chart must have rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8088")
    parser.add_argument("--file", required=True, help="published file, through current")
    options = parser.parse_args()
    superset = Superset(options.url, os.environ["SUPERSET_ADMIN_PASSWORD"])
    database = superset.ensure(
        "database", "database_name", DATABASE,
        {
            "database_name": DATABASE,
            "sqlalchemy_uri": f"duckdb:///{options.file}",
            "expose_in_sqllab": True,
            "extra": json.dumps({"engine_params": {"connect_args": {"read_only": True}}}),
        },
    )  # fmt: skip
    datasets = {
        name: superset.ensure(
            "dataset", "table_name", name,
            {"database": database, "schema": "marts", "table_name": name},
        )
        for name in TABLES
    }  # fmt: skip
    for name, sql in VIRTUAL.items():
        body = {"database": database, "table_name": name, "schema": "marts", "sql": sql}
        datasets[name] = superset.ensure("dataset", "table_name", name, body)
    dashboard = superset.ensure(
        "dashboard", "dashboard_title", TITLE, {"dashboard_title": TITLE, "published": True}
    )
    placed = []
    for title, dataset, form, width in CHARTS:
        whole = form | {"datasource": f"{datasets[dataset]}__table"}
        body = {
            "slice_name": title,
            "viz_type": form["viz_type"],
            "datasource_id": datasets[dataset],
            "datasource_type": "table",
            "params": json.dumps(whole),
            "query_context": json.dumps(_query(datasets[dataset], whole)),
        }
        chart = superset.ensure("chart", "slice_name", title, body)
        superset.change("chart", chart, body | {"dashboards": [dashboard]})
        rows = superset.rows(chart)
        print(f"{title}: {rows:,} rows")
        if not rows:
            raise SystemExit(f"{title}: its query has no rows")
        placed.append((chart, title, width))
    superset.change("dashboard", dashboard, {"position_json": json.dumps(_layout(placed))})
    print(f"dashboard: {options.url}/superset/dashboard/{dashboard}/")
    return 0


def _query(dataset: int, form: dict[str, Any]) -> dict[str, Any]:
    """Return the query that the chart asks, as the browser would send it."""
    filters = [
        {"col": f["subject"], "op": f["operator"], "val": f["comparator"]}
        for f in form["adhoc_filters"]
    ]
    one: dict[str, Any] = {"filters": filters, "row_limit": form["row_limit"]}
    if form["viz_type"] == "table":
        one |= {"columns": form["all_columns"], "metrics": None}
    else:
        axis = {
            "timeGrain": "P1D", "columnType": "BASE_AXIS", "sqlExpression": form["x_axis"],
            "label": form["x_axis"], "expressionType": "SQL",
        }  # fmt: skip
        one |= {"columns": [axis, *form["groupby"]], "metrics": form["metrics"]}
    return {
        "datasource": {"id": dataset, "type": "table"},
        "force": False,
        "queries": [one],
        "form_data": form,
        "result_format": "json",
        "result_type": "full",
    }


def _layout(placed: list[tuple[int, str, int]]) -> dict[str, Any]:
    """Return the dashboard's layout: rows of twelve columns, filled in the charts' order."""
    layout: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": TITLE}},
    }
    row, used = "", 12
    for chart, title, width in placed:
        if used + width > 12:
            row, used = f"ROW-{chart}", 0
            layout["GRID_ID"]["children"].append(row)
            layout[row] = {
                "type": "ROW", "id": row, "children": [], "parents": ["ROOT_ID", "GRID_ID"],
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            }  # fmt: skip
        used += width
        name = f"CHART-{chart}"
        layout[row]["children"].append(name)
        layout[name] = {
            "type": "CHART", "id": name, "children": [],
            "parents": ["ROOT_ID", "GRID_ID", row],
            "meta": {
                "chartId": chart, "sliceName": title, "width": width,
                "height": 16 if width == 12 else 50,
            },
        }  # fmt: skip
    return layout


if __name__ == "__main__":
    sys.exit(main())
