"""How each simulated FRED series is described and on which days its values are published.

Titles and units are FRED's, the figures behind them are not: they are made in `macro`, and drafted
and revised in `vintages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.sample.economy import Days, bank_holidays

Schedule = Callable[[Days], Days]


@dataclass(frozen=True, slots=True)
class Series:
    """How one series is described and published.

    `errors` are the scatters of the first, second and third draft around the final value, in
    percent of the level (`error_kind` abs: in units). `annual_month` is the month of the annual
    revision, which moves everything up to three years old from its third draft to the final value.
    `archive_from` is the earliest vintage on record.
    """

    id: str
    title: str
    units: str
    frequency: str
    release_id: int
    schedule: Schedule
    decimals: int
    archive_from: str = "1990-01-02"
    errors: tuple[float, ...] = ()
    error_kind: str = "pct"
    annual_month: int | None = None
    adjusted: str = "Not Seasonally Adjusted"


def _business(days: Days, count: int) -> Days:
    return np.asarray(np.busday_offset(days, count, roll="backward", holidays=bank_holidays()))


def no_weekend(days: Days) -> Days:
    """Move Saturdays and Sundays to Monday."""
    return np.asarray(np.busday_offset(days, 0, roll="forward"))


def after_month(count: int) -> Schedule:
    """Return a schedule: `count` days after the end of the observed month, not on a weekend."""

    def schedule(days: Days) -> Days:
        end = (days.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
        return no_weekend(end + count)

    return schedule


def after_quarter(count: int) -> Schedule:
    """Return a schedule: `count` days after the end of the observed quarter."""

    def schedule(days: Days) -> Days:
        end = (days.astype("datetime64[M]") + 3).astype("datetime64[D]") - 1
        return no_weekend(end + count)

    return schedule


def after_days(count: int) -> Schedule:
    """Return a schedule: `count` calendar days after the observation date."""
    return lambda days: days + count


def next_business_day(days: Days) -> Days:
    """Schedule of the daily H.15 rates."""
    return _business(days, 1)


def same_day(days: Days) -> Days:
    """Schedule of what is public on its own day."""
    return days


def next_monday(days: Days) -> Days:
    """Schedule of the H.10 dollar indices: Monday after the observation's week."""
    weekday = (days.astype(np.int64) + 3) % 7
    return np.asarray(days + (7 - weekday))


def first_friday(days: Days) -> Days:
    """Schedule of the employment report: the first Friday of the next month."""
    first = (days.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return np.asarray(first + (4 - (first.astype(np.int64) + 3)) % 7)


def last_week(days: Days) -> Days:
    """Schedule of the PCE report: the last Friday of the next month."""
    end = (days.astype("datetime64[M]") + 2).astype("datetime64[D]") - 1
    return np.asarray(end - ((end.astype(np.int64) + 3) % 7 - 4) % 7)


RELEASES: Mapping[int, str] = {
    9: "Advance Monthly Sales for Retail and Food Services",
    10: "Consumer Price Index",
    13: "G.17 Industrial Production and Capacity Utilization",
    17: "H.10 Foreign Exchange Rates",
    18: "H.15 Selected Interest Rates",
    20: "H.4.1 Factors Affecting Reserve Balances",
    21: "H.6 Money Stock Measures",
    22: "H.8 Assets and Liabilities of Commercial Banks in the United States",
    50: "Employment Situation",
    53: "Gross Domestic Product",
    54: "Personal Income and Outlays",
    95: "Manufacturer's Shipments, Inventories, and Orders (M3) Survey",
    101: "FOMC Press Release",
    180: "Unemployment Insurance Weekly Claims Report",
    190: "Primary Mortgage Market Survey",
    191: "Senior Loan Officer Opinion Survey on Bank Lending Practices",
    192: "Job Openings and Labor Turnover Survey",
    200: "CBOE Market Statistics",
    209: "ICE BofA Indices",
    221: "Chicago Fed National Financial Conditions Index",
    229: "Construction Spending",
    242: "NBER based Recession Indicators",
    267: "Economic Policy Uncertainty",
    304: "Interest Rate Spreads",
    326: "Summary of Economic Projections",
    378: "Federal Funds Data",
    505: "Key ECB Interest Rates",
}
"""Release ids and names as FRED has them (the last: simulated)."""

_SA = "Seasonally Adjusted"
_SAAR = "Seasonally Adjusted Annual Rate"
_PC = "Percent"
_BOND = "Market Yield on U.S. Treasury Securities at {}, Quoted on an Investment Basis"

SERIES: Mapping[str, Series] = {
    s.id: s
    for s in (
        Series("PCE", "Personal Consumption Expenditures", "Billions of Dollars", "M", 54,
               last_week, 1, "2000-01-28", (0.12, 0.07, 0.04), annual_month=9, adjusted=_SAAR),
        Series("PCEPI", "Personal Consumption Expenditures: Chain-type Price Index",
               "Index 2017=100", "M", 54, last_week, 3, "2000-08-25", (0.05, 0.03, 0.02),
               annual_month=9, adjusted=_SA),
        Series("PCEPILFE", "Personal Consumption Expenditures Excluding Food and Energy (Chain-Type"
               " Price Index)", "Index 2017=100", "M", 54, last_week, 3, "2000-08-25",
               (0.04, 0.025, 0.015), annual_month=9, adjusted=_SA),
        Series("CPIAUCSL", "Consumer Price Index for All Urban Consumers: All Items in U.S. City "
               "Average", "Index 1982-1984=100", "M", 10, after_month(12), 3, "1994-02-17",
               (0.0, 0.0, 0.03), annual_month=2, adjusted=_SA),
        Series("CPILFESL", "Consumer Price Index for All Urban Consumers: All Items Less Food and "
               "Energy in U.S. City Average", "Index 1982-1984=100", "M", 10, after_month(12), 3,
               "1996-12-12", (0.0, 0.0, 0.02), annual_month=2, adjusted=_SA),
        Series("FEDFUNDS", "Federal Funds Effective Rate", _PC, "M", 18, after_month(1), 2),
        Series("DFF", "Federal Funds Effective Rate", _PC, "D7", 18, next_business_day, 2,
               "2018-01-02"),
        Series("DFEDTARU", "Federal Funds Target Range - Upper Limit", _PC, "D7", 101, same_day, 2,
               "2020-06-01"),
        Series("DFEDTARL", "Federal Funds Target Range - Lower Limit", _PC, "D7", 101, same_day, 2,
               "2020-06-01"),
        Series("DGS3MO", _BOND.format("3-Month Constant Maturity"), _PC, "D", 18,
               next_business_day, 2, "2018-01-02"),
        Series("DGS2", _BOND.format("2-Year Constant Maturity"), _PC, "D", 18, next_business_day, 2,
               "2018-01-02"),
        Series("DGS10", _BOND.format("10-Year Constant Maturity"), _PC, "D", 18, next_business_day,
               2, "2018-01-02"),
        Series("T10Y2Y", "10-Year Treasury Constant Maturity Minus 2-Year Treasury Constant "
               "Maturity", _PC, "D", 304, same_day, 2, "2018-01-02"),
        Series("T10Y3M", "10-Year Treasury Constant Maturity Minus 3-Month Treasury Constant "
               "Maturity", _PC, "D", 304, same_day, 2, "2018-01-02"),
        Series("T10YIE", "10-Year Breakeven Inflation Rate", _PC, "D", 304, same_day, 2,
               "2018-01-02"),
        Series("T5YIFR", "5-Year, 5-Year Forward Inflation Expectation Rate", _PC, "D", 304,
               same_day, 2, "2018-01-02"),
        Series("DFII10", _BOND.format("10-Year Constant Maturity") + ", Inflation-Indexed", _PC,
               "D", 18, next_business_day, 2, "2018-01-02"),
        Series("BAMLH0A0HYM2", "ICE BofA US High Yield Index Option-Adjusted Spread", _PC, "D", 209,
               next_business_day, 2, "2018-01-02"),
        Series("BAA10Y", "Moody's Seasoned Baa Corporate Bond Yield Relative to Yield on 10-Year "
               "Treasury Constant Maturity", _PC, "D", 304, next_business_day, 2, "2018-01-02"),
        Series("NFCI", "Chicago Fed National Financial Conditions Index", "Index", "W", 221,
               after_days(5), 5, "2011-05-25", (0.01, 0.006, 0.0), error_kind="abs"),
        Series("DTWEXBGS", "Nominal Broad U.S. Dollar Index", "Index Jan 2006=100", "D", 17,
               next_monday, 4, "2019-02-11", (0.0, 0.0, 0.12), annual_month=2),
        Series("DTWEXAFEGS", "Nominal Advanced Foreign Economies U.S. Dollar Index",
               "Index Jan 2006=100", "D", 17, next_monday, 4, "2019-02-11"),
        Series("DEXUSEU", "U.S. Dollars to Euro Spot Exchange Rate", "U.S. Dollars to One Euro",
               "D", 17, next_monday, 4, "2019-01-07"),
        Series("ECBDFR", "ECB Deposit Facility Rate for Euro Area", _PC, "D7", 505, same_day, 2,
               "2020-06-01"),
        Series("PAYEMS", "All Employees, Total Nonfarm", "Thousands of Persons", "M", 50,
               first_friday, 0, "1990-01-05", (0.030, 0.018, 0.010), annual_month=2, adjusted=_SA),
        Series("UNRATE", "Unemployment Rate", _PC, "M", 50, first_friday, 1, "1990-01-05",
               (0.0, 0.0, 0.03), error_kind="abs", annual_month=1, adjusted=_SA),
        Series("ICSA", "Initial Claims", "Number", "W", 180, after_days(5), -3, "2009-06-04",
               (0.9, 0.0), adjusted=_SA),
        Series("JTSJOL", "Job Openings: Total Nonfarm", "Level in Thousands", "M", 192,
               after_month(35), 0, "2006-03-15", (0.9, 0.4), annual_month=3, adjusted=_SA),
        Series("INDPRO", "Industrial Production: Total Index", "Index 2017=100", "M", 13,
               after_month(16), 4, "1995-01-17", (0.2, 0.12, 0.06), annual_month=11, adjusted=_SA),
        Series("GDPC1", "Real Gross Domestic Product", "Billions of Chained 2017 Dollars", "Q", 53,
               after_quarter(29), 3, "1991-12-04", (0.20, 0.10, 0.05), annual_month=9,
               adjusted=_SAAR),
        Series("RSAFS", "Advance Retail Sales: Retail Trade and Food Services",
               "Millions of Dollars", "M", 9, after_month(15), 0, "2001-06-13", (0.3, 0.15),
               annual_month=4, adjusted=_SA),
        Series("M2SL", "M2", "Billions of Dollars", "M", 21, after_month(25), 1, "1996-01-26",
               (0.05, 0.02), annual_month=2, adjusted=_SA),
        Series("WALCL", "Assets: Total Assets: Total Assets (Less Eliminations from Consolidation):"
               " Wednesday Level", "Millions of U.S. Dollars", "W", 20, after_days(1), 0,
               "2010-01-07"),
        Series("MORTGAGE30US", "30-Year Fixed Rate Mortgage Average in the United States", _PC, "W",
               190, same_day, 2, "2006-01-05"),
        Series("MPRIME", "Bank Prime Loan Rate", _PC, "M", 18, after_month(1), 2),
        Series("DRTSCILM", "Net Percentage of Domestic Banks Tightening Standards for Commercial "
               "and Industrial Loans to Large and Middle-Market Firms", _PC, "Q", 191,
               after_days(35), 1, "1998-05-18"),
        Series("DRTSCIS", "Net Percentage of Domestic Banks Tightening Standards for Commercial "
               "and Industrial Loans to Small Firms", _PC, "Q", 191, after_days(35), 1,
               "1998-05-18"),
        Series("BUSLOANS", "Commercial and Industrial Loans, All Commercial Banks",
               "Billions of U.S. Dollars", "M", 22, after_month(12), 4, "1996-12-13", (0.2, 0.1),
               annual_month=10, adjusted=_SA),
        Series("TOTBKCR", "Bank Credit, All Commercial Banks", "Billions of U.S. Dollars", "W", 22,
               after_days(9), 4, "2012-04-06", (0.05, 0.02), adjusted=_SA),
        Series("VIXCLS", "CBOE Volatility Index: VIX", "Index", "D", 200, next_business_day, 2,
               "2018-01-02"),
        Series("USREC", "NBER based Recession Indicators for the United States from the Period "
               "following the Peak through the Trough", "+1 or 0", "M", 242, after_month(1), 0,
               "2014-10-01"),
        Series("USEPUINDXD", "Economic Policy Uncertainty Index for United States", "Index", "D7",
               267, after_days(1), 2, "2020-07-01"),
        Series("EPUTRADE", "Economic Policy Uncertainty Index: Categorical Index: Trade policy",
               "Index", "M", 267, after_month(5), 2, "2019-07-01"),
        Series("FEDTARMD", "FOMC Summary of Economic Projections for the Fed Funds Rate, Median",
               "Fed Funds Rate", "A", 326, same_day, 1),
        Series("JCXFEMD", "FOMC Summary of Economic Projections for the Personal Consumption "
               "Expenditures less Food and Energy Inflation Rate, Median",
               "Fourth Quarter to Fourth Quarter Percent Change", "A", 326, same_day, 1),
        Series("PCECTPICTM", "FOMC Summary of Economic Projections for the Personal Consumption "
               "Expenditures Inflation Rate, Central Tendency, Midpoint",
               "Fourth Quarter to Fourth Quarter Percent Change", "A", 326, same_day, 2),
        Series("TLMFGCONS", "Total Construction Spending: Manufacturing in the United States",
               "Millions of Dollars", "M", 229, after_month(32), 0, "2010-01-04", (1.2, 0.6),
               annual_month=7, adjusted=_SAAR),
        Series("NEWORDER", "Manufacturers' New Orders: Nondefense Capital Goods Excluding Aircraft",
               "Millions of Dollars", "M", 95, after_month(35), 0, "2001-12-04", (0.5, 0.25),
               annual_month=5, adjusted=_SA),
    )
}  # fmt: skip
