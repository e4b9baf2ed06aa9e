"""Starbucks rewards: a month of purchases and offers, simulated by the provider, offers sent in random waves."""

from cvm.datasets.catalogue import Dataset

_START = "TIMESTAMP '2018-08-01 00:00:00'"
_WAVES = "(0), (168), (336), (408), (504), (576)"

STARBUCKS = Dataset(
    name="starbucks",
    meaning="306,534 events of 17,000 rewards members over 30 days; six waves of offers, each to a random three quarters",
    published="the Starbucks rewards capstone data of Udacity (profile.json, portfolio.json, transcript.json.gz).",
    files=("starbucks/profile.json", "starbucks/portfolio.json", "starbucks/transcript.json.gz"),
    queries={
        # The data count hours from an unnamed start; the first of August 2018 follows the last sign-up.
        "transactions": f"""
            SELECT person AS customer_id, {_START} + to_hours(time) AS occurred_at, value.amount AS amount
            FROM file_transcript WHERE event = 'transaction' ORDER BY customer_id, occurred_at, amount
        """,
        "events": f"""
            SELECT person AS customer_id, {_START} + to_hours(time) AS occurred_at,
                CASE event WHEN 'offer received' THEN 'message_sent' WHEN 'offer viewed' THEN 'message_open'
                    ELSE 'coupon_redeemed' END AS event_type,
                value.reward AS value, coalesce(value."offer id", value.offer_id) AS campaign_id
            FROM file_transcript WHERE event <> 'transaction' ORDER BY ALL
        """,
        "customers": """
            SELECT id AS customer_id, strptime(became_member_on, '%Y%m%d') AS signed_up_at, gender,
                CASE WHEN age < 118 THEN age END AS age, income
            FROM file_profile ORDER BY id
        """,
        "assignments": f"""
            WITH wave(hour) AS (VALUES {_WAVES}),
            received AS (SELECT DISTINCT person, time FROM file_transcript WHERE event = 'offer received')
            SELECT 'wave-' || lpad(hour::VARCHAR, 3, '0') AS campaign_id, id AS customer_id,
                {_START} + to_hours(hour) AS assigned_at,
                CASE WHEN person IS NULL THEN 'control' ELSE 'offer' END AS arm,
                CAST(CASE WHEN person IS NULL THEN 0.25 ELSE 0.75 END AS DOUBLE) AS propensity
            FROM wave CROSS JOIN file_profile LEFT JOIN received ON person = id AND time = hour
            ORDER BY hour, id
        """,
    },
    params="""
# Thirty days of history: the outcome window is a week.
data:
  transactions: {path: data/transactions.parquet}
  events: {path: data/events.parquet}
  customers: {path: data/customers.parquet}
  assignments: {path: data/assignments.parquet}
business: {currency: USD, timezone: UTC, active_days: 14}
windows: {horizon_days: 7, clv_days: 28}
train: {snapshots: 3, step_days: 2}
# Waves follow each other within days; the last one ends with the data.
campaigns: {outcome_days: 7, evaluate: {until_next: true, allow_partial: true}}
""",
)
