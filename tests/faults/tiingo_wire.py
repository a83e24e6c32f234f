"""Tiingo's end-of-day answers, made of the sample world's Yahoo charts: it has no Tiingo itself."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from pipelines.settings import PUBLIC_HOSTS


class TiingoWire(BaseAdapter):
    """Passes requests on; those for Tiingo's daily prices are answered from the chart."""

    def __init__(self, world: BaseAdapter) -> None:
        super().__init__()
        self.world = world

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        parts = urlsplit(str(request.url))
        if "tiingo" not in parts.netloc:
            return self.world.send(request, **options)
        symbol = parts.path.split("/")[-2]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        asked = request.copy()
        asked.url = f"{PUBLIC_HOSTS['yahoo']}/v8/finance/chart/{symbol}?{_chart_query(query)}"
        chart = json.loads(self.world.send(asked, **options).content)["chart"]["result"][0]
        answer = Response()
        answer.status_code, answer.url, answer.request = 200, str(request.url), request
        answer.headers["Content-Type"] = "application/json"
        answer.raw = io.BytesIO(json.dumps(_days(chart)).encode())
        return answer

    def close(self) -> None:
        pass


def _chart_query(query: dict[str, str]) -> str:
    begin, end = (
        int(datetime.fromisoformat(query[name]).replace(tzinfo=UTC).timestamp())
        for name in ("startDate", "endDate")
    )
    return f"period1={begin}&period2={end + 86_400}&interval=1d&events=div%7Csplit%7CcapitalGains"


def _days(chart: dict[str, Any]) -> list[dict[str, Any]]:
    quote = chart["indicators"]["quote"][0]
    adjusted = chart["indicators"]["adjclose"][0]["adjclose"]
    paid = {
        datetime.fromtimestamp(int(moment), UTC).date(): dividend["amount"]
        for moment, dividend in chart.get("events", {}).get("dividends", {}).items()
    }
    rows = []
    for n, moment in enumerate(chart["timestamp"]):
        day = datetime.fromtimestamp(moment, UTC).date()
        prices = {name: quote[name][n] for name in ("close", "high", "low", "open", "volume")}
        rows.append(
            {
                "date": f"{day}T00:00:00.000Z",
                **prices,
                "adjClose": adjusted[n],
                "divCash": paid.get(day, 0.0),
                "splitFactor": 1.0,
            }
        )
    return rows
