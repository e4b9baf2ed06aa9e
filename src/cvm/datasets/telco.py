"""Telco: subscribers of a telephone company, one flat table with a churn flag."""

from cvm.datasets.catalogue import Dataset

_AS_OF = "TIMESTAMP '2018-01-01 00:00:00'"

TELCO = Dataset(
    name="telco",
    meaning="7,043 subscribers with contract, charges and whether they left within the last month",
    published="the IBM sample data set 'Telco customer churn', as telco_churn.csv.",
    files=("telco_churn.csv",),
    queries={
        "customers": """
            SELECT * EXCLUDE (customerID, Churn, TotalCharges), customerID AS customer_id FROM file_telco_churn
            ORDER BY customer_id
        """,
        # The file tells months of tenure; a common last day turns them into dates.
        "subscriptions": f"""
            SELECT customerID AS customer_id, {_AS_OF} - to_months(tenure::INTEGER) AS started_at,
                CASE WHEN Churn = 'Yes' THEN {_AS_OF} END AS ended_at, MonthlyCharges AS price_per_month, Contract AS plan
            FROM file_telco_churn ORDER BY customer_id
        """,
        "transactions": f"""
            SELECT customerID AS customer_id, {_AS_OF} - to_months(m.month::INTEGER) AS occurred_at, MonthlyCharges AS amount
            FROM file_telco_churn JOIN range(1, 73) AS m(month) ON m.month <= tenure ORDER BY ALL
        """,
    },
    params="""
# A contractual business: who leaves ends a subscription. The transactions are the monthly charges, so every customer
# pays on schedule until then, and models of free purchasing have little to say here.
data:
  transactions: {path: data/transactions.parquet}
  customers: {path: data/customers.parquet}
  subscriptions: {path: data/subscriptions.parquet}
business: {currency: USD, timezone: UTC}
windows: {horizon_days: 60, clv_days: 365}
""",
)
