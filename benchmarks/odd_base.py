"""A simulated base with all that makes engines differ: odd ids and names, nulls, returns of nothing, rows recorded late.

Everything is drawn from hashes of what stands in the tables, so the same base comes out anywhere.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cvm.datasets.simulate import simulate
from cvm.engines import DuckDBEngine, identifier
from cvm.params import Params, load_params
from cvm.stages.data import run_ingest

AS_OF = date(2026, 1, 1)
# By the first hexadecimal digit of a hash of the id: quotes, spaces, leading zeros, letters of other scripts (one of them
# composed of two signs, one outside the first plane of Unicode), line ends, backslashes, patterns, variables.
_ODD_ID = r"""CASE substr(md5(customer_id), 1, 1)
  WHEN '0' THEN customer_id || '''"`' WHEN '1' THEN ' ' || customer_id || '  x' WHEN '2' THEN '00' || customer_id
  WHEN '3' THEN 'Ünï-' || customer_id || '-ß漢' WHEN '4' THEN customer_id || chr(10) || '\' WHEN '5' THEN customer_id || '%_'
  WHEN '6' THEN '${spark.app.name}' || customer_id WHEN '7' THEN 'e' || chr(769) || customer_id
  WHEN '8' THEN chr(127881) || customer_id WHEN '9' THEN lower(customer_id) || 'É' WHEN 'a' THEN lower(customer_id) || 'é'
  ELSE customer_id END"""
_ODD_EVENTS = {
    "app_open": r"""App-Öffnung '{window}' "\" ${spark.app.name}""",
    "ad_click": "it's `ad`; DROP TABLE events --",
}
_SETTINGS = (
    "business.timezone=Europe/Kyiv",
    "business.margin_rate=0.333333",
    "business.unit_costs.per_return=2.35",
    "business.unit_costs.per_event={support_ticket: 4.1, coupon_redeemed: value}",
    f"windows.as_of={AS_OF}",
    "windows.horizon_days=90",
    "campaigns.outcome_days=56",
    "campaigns.evaluate.pre_days=90",
    "campaigns.evaluate.cost_per_redemption=0.5",
    "campaigns.evaluate.segment_by=region",
)
_OWN = """
CREATE TABLE features AS SELECT customer_id, as_of, recorded_at,
  CASE WHEN n % 11 = 0 THEN 'n/a' ELSE CAST(n % 97 / 8.0 AS VARCHAR) END AS "score,x`y",
  '2025-0' || CAST(n % 9 + 1 AS VARCHAR) || '-15' AS since,
  CASE n % 4 WHEN 0 THEN 'it''s' WHEN 1 THEN 'B\\b' WHEN 2 THEN 'ä' END AS "Tier Größe"
FROM (SELECT customer_id, n, CASE WHEN n % 7 > 0 THEN TIMESTAMP '2024-01-15 22:30:00' + to_days(CAST(n % 700 AS INTEGER)) END
  AS as_of, CASE WHEN n % 5 > 0 THEN TIMESTAMP '2024-03-01 00:00:00' + to_days(CAST(n % 600 AS INTEGER)) END AS recorded_at
  FROM (SELECT customer_id, ('0x' || substr(md5(customer_id || copy), 1, 6))::BIGINT AS n
    FROM customers CROSS JOIN (VALUES ('a'), ('b'), ('c')) AS copies(copy)))
"""
_SCORES = """
SELECT customer_id,
  CASE WHEN n % 13 = 0 THEN NULL WHEN n % 3 = 0 THEN 'vip' WHEN n % 3 = 1 THEN 'core' ELSE 'lost' END AS segment,
  n % 1000 / 7.0 AS clv, CASE WHEN n % 10 > 0 THEN n % 100 / 100.0 END::DOUBLE AS p_churn, n % 50 / 9.0 AS expected_orders,
  n % 400 / 11.0 AS expected_order_value, n % 900 / 3.0 AS historic_value
FROM (SELECT customer_id, ('0x' || substr(md5(customer_id || '{salt}'), 1, 6))::BIGINT AS n FROM customers) WHERE n % 8 > 0
"""


def odd_base(folder: Path, *, n_customers: int, seed: int = 5, years: float = 2.0) -> Params:
    """Simulate, ingest and disturb a base in ``folder``; gives the params it is to be read with."""
    simulate(folder, n_customers=n_customers, seed=seed, as_of=AS_OF, years=years)
    run_ingest(load_params(folder / "params.yaml"))
    params = load_params(folder / "params.yaml", overrides=list(_SETTINGS))
    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb") as engine:
        _disturb(engine)
        for salt, day in (("a", "2025-11-01"), ("b", "2025-12-01"), ("c", "2026-01-01")):
            path = folder / "outputs" / "scores" / f"as_of={day}" / "scores.parquet"
            path.parent.mkdir(parents=True)
            engine.write_parquet(_SCORES.format(salt=salt), path)
    return params


def _disturb(engine: DuckDBEngine) -> None:
    for table in sorted(engine.tables()):
        if "customer_id" in engine.columns(table):
            engine.execute(f"UPDATE {identifier(table)} SET customer_id = {_ODD_ID}")
    for name, odd in _ODD_EVENTS.items():
        spelled = odd.replace("'", "''")
        engine.execute(f"UPDATE events SET event_type = '{spelled}' WHERE event_type = '{name}'")
    draw = "('0x' || substr(md5(customer_id || CAST(occurred_at AS VARCHAR) || '{}'), 1, 6))::BIGINT"
    for table, column, share in (
        ("transactions", "order_id", 8),
        ("transactions", "category", 9),
        ("transactions", "channel", 7),
        ("transactions", "quantity", 11),
        ("transactions", "margin", 5),
        ("transactions", "discount", 6),
        ("transactions", "recorded_at", 4),
        ("events", "value", 6),
        ("events", "campaign_id", 5),
        ("events", "device", 3),
    ):
        engine.execute(f"UPDATE {table} SET {column} = NULL WHERE {draw.format(column)} % {share} = 0")
    late = draw.format("late")
    engine.execute(f"UPDATE transactions SET recorded_at = occurred_at + INTERVAL 45 DAY WHERE {late} % 9 = 0")
    # Around midnight, in the nights in which clocks change, too; and returns that no sale explains.
    engine.execute(
        "UPDATE transactions SET occurred_at = date_trunc('day', occurred_at) + INTERVAL 1 MINUTE * "
        f"(1200 + {draw.format('minute')} % 240) WHERE {late} % 2 = 0"
    )
    engine.execute(
        "INSERT INTO transactions BY NAME SELECT * REPLACE (-amount * 3 AS amount, NULL AS order_id, -margin AS margin, "
        f"occurred_at - INTERVAL 30 DAY AS occurred_at) FROM transactions WHERE amount > 0 AND {late} % 23 = 0"
    )
    engine.execute("INSERT INTO transactions BY NAME SELECT * FROM transactions WHERE category IS NULL AND order_id IS NULL")
    engine.execute(
        """ALTER TABLE customers ADD COLUMN "Größe, cm.x`y" DOUBLE; ALTER TABLE customers ADD COLUMN "it's" VARCHAR;
        UPDATE customers SET "Größe, cm.x`y" = CASE length(customer_id) % 4 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN 171.5
        WHEN 2 THEN 'infinity'::DOUBLE END, "it's" = substr(customer_id, 1, 1)"""
    )
    engine.execute(_OWN)
