"""Online Retail: a British wholesaler of gifts, with cancellations and rows without customer."""

from cvm.datasets.catalogue import Dataset

ONLINE_RETAIL = Dataset(
    name="online-retail",
    meaning="541,909 invoice lines of a gift wholesaler, Dec 2010 to Dec 2011, cancellations included",
    published="'Online Retail' at the UCI Machine Learning Repository (data set 352, CC BY 4.0), as online_retail.parquet.",
    files=("online_retail.parquet",),
    queries={
        # A cancellation is an invoice of its own that does not say which one it cancels: it has no order_id to net against.
        "transactions": """
            SELECT CustomerID AS customer_id, InvoiceDate AS occurred_at,
                CAST(Quantity * CAST(UnitPrice AS DECIMAL(14, 4)) AS DECIMAL(18, 4)) AS amount,
                CASE WHEN InvoiceNo NOT LIKE 'C%' THEN InvoiceNo END AS order_id, StockCode AS product_id,
                Quantity AS quantity
            FROM file_online_retail
        """,
        "customers": """
            SELECT CAST(CustomerID AS BIGINT)::VARCHAR AS customer_id, arg_max(Country, InvoiceDate) AS country
            FROM file_online_retail WHERE CustomerID IS NOT NULL GROUP BY ALL ORDER BY 1
        """,
    },
    params="""
# A quarter of the rows names no customer: they are quarantined, and the share that may be is raised to let them.
data:
  transactions: {path: data/transactions.parquet}
  customers: {path: data/customers.parquet}
  max_rejected_share: 0.30
business: {currency: GBP, timezone: Europe/London, active_days: 180}
windows: {horizon_days: 90, clv_days: 365}
train: {snapshots: 4, step_days: 21}
""",
)
