"""Features of what and how customers bought."""

from __future__ import annotations

from collections.abc import Iterator

from cvm.features.catalogue import Feature

_WINDOWS = (30, 90, 180, 365)
_BOUGHT = "FILTER (WHERE amount >= 0)"
# Of decimals the sum is exact, whatever the order of rows; a mean of floats is not, and would round otherwise now and then.
MEAN_AMOUNT = "CAST(sum(amount) AS DOUBLE) / count(*)"
_MEAN_GAP = "(max(age_days) - min(age_days)) / nullif(count(*) - 1, 0)"

ORDER_FEATURES = (
    Feature("recency_days", "min(age_days)", "orders", "days", "Days since the last order."),
    Feature("tenure_days", "max(age_days)", "orders", "days", "Days since the first order."),
    Feature("n_orders", "count(*)", "orders", "orders", "Orders so far.", empty="0"),
    Feature(
        "n_orders_{window}d",
        "count(*) FILTER (WHERE age_days <= {window})",
        "orders",
        "orders",
        "Orders in the last {window} days.",
        windows=_WINDOWS,
        empty="0",
    ),
    Feature(
        "orders_per_year", "count(*) * 365.0 / max(age_days)", "orders", "orders per year", "Orders per year of tenure."
    ),
    Feature(
        "active_months",
        # Orders that are the first of their block; to count distinct blocks is dearer than all other features of orders.
        "count(*) FILTER (WHERE gap_days IS NULL OR day // 30 <> (day - gap_days) // 30)",
        "orders",
        "months",
        "Thirty-day blocks with an order.",
        empty="0",
    ),
    Feature("mean_gap_days", _MEAN_GAP, "orders", "days", "Mean days between orders."),
    Feature("std_gap_days", "round(stddev_samp(gap_days), 4)", "orders", "days", "Spread of the days between orders."),
    Feature("max_gap_days", "max(gap_days)", "orders", "days", "Longest time between two orders."),
    Feature("last_gap_days", "arg_max(gap_days, order_number)", "orders", "days", "Days between the last two orders."),
    Feature(
        "second_order_gap_days",
        "max(gap_days) FILTER (WHERE order_number = 2)",
        "orders",
        "days",
        "Days from the first order to the second.",
    ),
    Feature(
        "recency_over_mean_gap",
        f"min(age_days) / nullif({_MEAN_GAP}, 0)",
        "orders",
        "ratio",
        "Churn factor: days since the last order over the customer's own mean gap.",
    ),
    Feature(
        "trend_orders_{window}d",
        "(2.0 * count(*) FILTER (WHERE age_days <= {window}) - count(*) FILTER (WHERE age_days <= {double}))"
        " / nullif(count(*) FILTER (WHERE age_days <= {double}), 0)",
        "orders",
        "-1 to 1",
        "Orders of the last {window} days against those of the {window} days before.",
        windows=(30, 90, 180),
    ),
    Feature("mean_order_value", f"round({MEAN_AMOUNT}, 4)", "orders", "currency", "Mean value of an order."),
    Feature("median_order_value", "median(CAST(amount AS DOUBLE))", "orders", "currency", "Median value of an order."),
    Feature("std_order_value", "round(stddev_samp(amount), 4)", "orders", "currency", "Spread of order values."),
    Feature("min_order_value", "min(amount)", "orders", "currency", "Smallest order."),
    Feature("max_order_value", "max(amount)", "orders", "currency", "Largest order."),
    Feature("first_order_value", "arg_min(amount, order_number)", "orders", "currency", "Value of the first order."),
    Feature("last_order_value", "arg_max(amount, order_number)", "orders", "currency", "Value of the last order."),
    Feature(
        "last_over_mean_order_value",
        f"arg_max(amount, order_number) / nullif({MEAN_AMOUNT}, 0)",
        "orders",
        "ratio",
        "Last order against the customer's mean order.",
    ),
    Feature(
        "share_weekend_orders",
        "count(*) FILTER (WHERE (day + 3) % 7 >= 5) * 1.0 / count(*)",
        "orders",
        "share",
        "Orders on Saturday or Sunday.",
    ),
    *(
        Feature(
            f"share_orders_q{quarter}",
            f"count(*) FILTER (WHERE quarter_of_year = {quarter}) * 1.0 / count(*)",
            "orders",
            "share",
            f"Orders placed in calendar quarter {quarter}.",
        )
        for quarter in (1, 2, 3, 4)
    ),
)

# Sums of lines are sums of days, of which there are far fewer where an order has many lines.
DAY_FEATURES = (
    Feature("spend", "sum(amount)", "active_day", "currency", "Net spend so far.", empty="0"),
    Feature(
        "spend_{window}d",
        "coalesce(sum(amount) FILTER (WHERE age_days <= {window}), 0)",
        "active_day",
        "currency",
        "Net spend in the last {window} days.",
        windows=_WINDOWS,
        empty="0",
    ),
    Feature(
        "trend_spend_{window}d",
        "(2.0 * coalesce(sum(bought) FILTER (WHERE age_days <= {window}), 0)"
        " - sum(bought) FILTER (WHERE age_days <= {double}))"
        " / nullif(sum(bought) FILTER (WHERE age_days <= {double}), 0)",
        "active_day",
        "-1 to 1",
        "Purchases of the last {window} days against those of the {window} days before, in money.",
        windows=(90, 180),
    ),
    Feature("n_returns", "sum(n_lines) - sum(n_bought)", "active_day", "lines", "Returned lines.", empty="0"),
    Feature(
        "share_returned",
        "(sum(bought) - sum(amount)) / nullif(sum(bought), 0)",
        "active_day",
        "share",
        "Money returned of money spent.",
    ),
    Feature(
        "lines_per_active_day",
        "CAST(sum(n_bought) AS DOUBLE) / nullif(count(*) FILTER (WHERE n_bought > 0), 0)",
        "active_day",
        "lines",
        "Lines bought per day with a purchase.",
    ),
)

LINE_FEATURES = (
    Feature(
        "quantity",
        "round(sum(quantity), 4)",
        "line",
        "units",
        "Units bought, net of returns.",
        needs=("quantity",),
        empty="0",
    ),
    Feature(
        "n_products",
        f"count(DISTINCT product_id) {_BOUGHT}",
        "line",
        "products",
        "Different products bought.",
        needs=("product_id",),
        empty="0",
    ),
    Feature(
        "n_categories",
        f"count(DISTINCT category) {_BOUGHT}",
        "line",
        "categories",
        "Different categories bought.",
        needs=("category",),
        empty="0",
    ),
    Feature(
        "n_categories_{window}d",
        "count(DISTINCT category) FILTER (WHERE age_days <= {window} AND amount >= 0)",
        "line",
        "categories",
        "Different categories bought in the last {window} days.",
        windows=(180,),
        needs=("category",),
        empty="0",
    ),
    Feature(
        "share_discount",
        f"sum(discount) {_BOUGHT} / nullif(sum(discount) {_BOUGHT} + sum(greatest(amount, 0)), 0)",
        "line",
        "share",
        "Discount of the undiscounted price of what was bought.",
        needs=("discount",),
    ),
    Feature(
        "share_discounted_lines",
        f"count(*) FILTER (WHERE discount > 0 AND amount >= 0) * 1.0 / nullif(count(*) {_BOUGHT}, 0)",
        "line",
        "share",
        "Lines bought at a discount.",
        needs=("discount",),
    ),
)

MIXED_COLUMNS = ("channel", "payment_method", "store_id", "category")


def mix_features(column: str, *, relation: str, prefix: str = "") -> Iterator[Feature]:
    """Preferred value, loyalty to it and breadth of one text column."""
    what = f"{prefix}{column}"
    yield Feature(
        f"main_{what}",
        "arg_max(value, struct_pack(n := n, value := value))",
        relation,
        "category",
        f"Most used {what}; the later in the alphabet on a tie.",
        kind="category",
    )
    yield Feature(f"share_main_{what}", "max(n) * 1.0 / sum(n)", relation, "share", f"Share of the most used {what}.")
    if column != "category":  # its breadth is n_categories
        yield Feature(f"n_{what}_values", "count(*)", relation, "values", f"Different values of {what} used.", empty="0")
