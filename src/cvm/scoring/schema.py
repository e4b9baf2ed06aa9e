"""The columns of the scores, in order."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class ScoreColumn:
    """One column of the scores; null where a run cannot fill it."""

    name: str
    kind: pa.DataType
    meaning: str


REASONS = pa.list_(
    pa.struct([("feature", pa.string()), ("value", pa.float64()), ("direction", pa.string()), ("sentence", pa.string())])
)

SCORE_COLUMNS = (
    ScoreColumn("customer_id", pa.string(), "Who."),
    ScoreColumn("horizon_days", pa.int64(), "Length of the outcome window."),
    ScoreColumn("clv_days", pa.int64(), "Days of margin that CLV counts."),
    ScoreColumn("currency", pa.string(), "Currency of all money here."),
    ScoreColumn("model_version", pa.string(), "First 12 hex digits of the bundle's content hash."),
    ScoreColumn("sufficient_data", pa.bool_(), "Whether a judged model could score this customer."),
    ScoreColumn("p_churn", pa.float64(), "Probability of churn by its definition; null for prospects."),
    ScoreColumn("p_alive", pa.float64(), "BTYD's probability of still being a customer; null for prospects."),
    ScoreColumn("expected_orders", pa.float64(), "Orders expected in the outcome window."),
    ScoreColumn("expected_order_value", pa.float64(), "Expected value of such an order."),
    ScoreColumn("clv", pa.float64(), "Discounted margin expected over clv_days."),
    ScoreColumn("clv_lower", pa.float64(), "Lower end of the 90 % interval of clv; null for prospects."),
    ScoreColumn("clv_upper", pa.float64(), "Upper end of the 90 % interval of clv; null for prospects."),
    ScoreColumn("historic_value", pa.float64(), "Margin so far, less the cost to serve where unit costs are known."),
    ScoreColumn("expected_next_order_date", pa.date32(), "Median; null when no order within clv_days is likelier."),
    ScoreColumn("value_percentile", pa.float64(), "Percentile of clv in the base the model was trained on."),
    ScoreColumn("value_tier", pa.string(), "Tier of clv: top, high, medium, low."),
    ScoreColumn("loss_making", pa.bool_(), "historic_value is negative."),
    ScoreColumn("growth_potential", pa.float64(), "Expected margin per year less historic_value per year so far."),
    ScoreColumn("lifecycle_stage", pa.string(), "prospect, new, active, slowing, lapsing, lost, returned."),
    ScoreColumn("rfm_recency", pa.int64(), "1 to 5, 5 the most recent."),
    ScoreColumn("rfm_frequency", pa.int64(), "1 to 5, 5 the most frequent."),
    ScoreColumn("rfm_monetary", pa.int64(), "1 to 5, 5 the most spent."),
    ScoreColumn("rfm_segment", pa.string(), "Name of the RFM cell."),
    ScoreColumn(
        "segment",
        pa.string(),
        "By segments.rules; by default vip, core, promising, new, at_risk, low_value, lost, prospect.",
    ),
    ScoreColumn("previous_segment", pa.string(), "Segment in the latest earlier scores on file, by today's rules."),
    ScoreColumn(
        "reasons",
        REASONS,
        "Up to three drivers of p_churn, strongest first; null for prospects, and beyond scoring.reasons_share.",
    ),
    ScoreColumn("next_best_action", pa.string(), "From the playbook."),
    ScoreColumn("expected_uplift", pa.float64(), "Effect of the action."),
    ScoreColumn("expected_net_value", pa.float64(), "Margin of that effect less the action's cost."),
)

SCORE_SCHEMA = pa.schema([(column.name, column.kind) for column in SCORE_COLUMNS])
