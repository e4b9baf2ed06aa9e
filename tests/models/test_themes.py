from __future__ import annotations

import pytest

from cvm.models.themes import theme_of


@pytest.mark.parametrize(
    ("features", "theme"),
    [
        ("recency_days recency_over_mean_gap n_orders_30d spend_365d trend_orders_90d trend_spend_180d", "recent orders"),
        ("n_orders tenure_days mean_gap_days second_order_gap_days orders_per_year days_since_signup", "buying rhythm"),
        ("mean_order_value last_over_mean_order_value spend historic_value", "order value"),
        ("n_email_sent_30d trend_email_open_90d days_since_email_click", "email"),
        ("n_complaint_90d trend_complaint_30d days_since_complaint", "complaint"),
        ("main_channel share_main_channel n_channel_values", "channel"),
        ("n_categories n_categories_180d main_category share_main_category n_products", "basket"),
        ("n_event_days_90d days_since_event", "activity"),
        ("cost_to_serve cost_to_serve_90d", "cost to serve"),
        ("last_nps n_nps_90d trend_nps_30d", "nps"),
        ("n_contacts_90d days_since_contact opens_per_contact_90d", "contacts"),
        ("n_subscriptions subscription_price days_since_subscription_end n_subscriptions_dropped_90d", "subscription"),
        ("attribute_age_band own_age_band", "age band"),
        ("something_else", "something else"),
    ],
)
def test_features_that_say_the_same_thing_share_a_theme(features: str, theme: str) -> None:
    assert {theme_of(name) for name in features.split()} == {theme}
