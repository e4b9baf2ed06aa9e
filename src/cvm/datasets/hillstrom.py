"""Hillstrom: an e-mail test with two treatments and a control, 64,000 customers."""

from cvm.datasets.catalogue import Dataset

_ASSIGNED = "TIMESTAMP '2008-03-20 00:00:00'"

HILLSTROM = Dataset(
    name="hillstrom",
    meaning="64,000 customers of a clothing shop, randomised to two e-mails or none; two weeks of visits and spend",
    published="the MineThatData E-Mail Analytics and Data Mining Challenge (2008), as hillstrom.csv.",
    files=("hillstrom.csv",),
    queries={
        # The public file has neither ids nor dates: row numbers and a day of its spring stand in for them.
        "customers": """
            SELECT row_number() OVER () AS customer_id, recency, history, mens, womens, zip_code, newbie, channel
            FROM file_hillstrom
        """,
        "assignments": f"""
            SELECT 'hillstrom' AS campaign_id, row_number() OVER () AS customer_id, {_ASSIGNED} AS assigned_at,
                CASE segment WHEN 'No E-Mail' THEN 'control' WHEN 'Mens E-Mail' THEN 'mens' ELSE 'womens' END AS arm,
                1 / 3.0 AS propensity, 'email' AS channel
            FROM file_hillstrom
        """,
        "transactions": f"""
            SELECT customer_id, {_ASSIGNED} + INTERVAL 7 DAY AS occurred_at, spend AS amount
            FROM (SELECT row_number() OVER () AS customer_id, spend FROM file_hillstrom) WHERE spend > 0
        """,
        "events": f"""
            SELECT customer_id, {_ASSIGNED} + INTERVAL 7 DAY AS occurred_at, 'visit' AS event_type
            FROM (SELECT row_number() OVER () AS customer_id, visit FROM file_hillstrom) WHERE visit = 1
        """,
    },
    params="""
# One campaign and no purchase history: made for measuring the campaign, too little for churn and CLV.
data:
  transactions: {path: data/transactions.parquet}
  events: {path: data/events.parquet}
  customers: {path: data/customers.parquet}
  assignments: {path: data/assignments.parquet}
business: {currency: USD, timezone: UTC}
windows: {as_of: 2008-04-03, horizon_days: 14, clv_days: 14}   # known is what happened within two weeks of the campaign
campaigns: {outcome_days: 14, evaluate: {events: [visit], covariates: [recency, history, mens, womens, newbie]}}
""",
)
