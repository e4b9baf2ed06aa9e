"""The simulated world: every number that rules it, with the reason for its default.

The defaults are frozen: they were chosen before any model was tuned on this world, and changing one makes published
figures incomparable. Rates are per year, times in days. A *curve* is six multipliers by the phase a customer is in:
(gone, last 2 weeks, weeks 3-4, weeks 5-6, weeks 7-8 before leaving, settled).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

Curve = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Level:
    """One value of an observable attribute, and what it multiplies: purchase rate, dropout hazard, order value.

    ``responsiveness`` shifts the index that decides how likely a customer is to be persuadable.
    """

    name: str
    share: float
    rate: float = 1.0
    hazard: float = 1.0
    spend: float = 1.0
    responsiveness: float = 0.0
    acquisition_cost: float = 0.0


@dataclass(frozen=True)
class Reader:
    """Habit of opening e-mail; seen only through ``email_open`` events."""

    name: str
    share: float
    p_open: float
    responsiveness: float


@dataclass(frozen=True)
class ContactEffect:
    """What a delivered contact does for ``World.effect_days``: factors on purchase rate and dropout hazard."""

    rate: float = 1.0
    hazard: float = 1.0


@dataclass(frozen=True)
class ResponseKind:
    """How a customer answers to contact; never seen. ``share`` holds at responsiveness 0, ``slope`` moves its log-odds."""

    name: str
    share: float
    slope: float
    rate: float
    p_unsubscribe: float
    email: ContactEffect = ContactEffect()
    letter: ContactEffect = ContactEffect()


@dataclass(frozen=True)
class Treatment:
    """What is sent, and what it costs. ``name`` is the arm."""

    name: str
    channel: str
    cost: float
    discount_share: float = 0.0
    p_redeem: float = 0.0

    @property
    def discount_per_order(self) -> float:
        """Expected share of an order's value given away while the contact works."""
        return self.discount_share * self.p_redeem


@dataclass(frozen=True)
class Campaign:
    """A past campaign with a randomised holdout; ``shares`` are the propensities of (control, *arms)."""

    campaign_id: str
    days_before_as_of: int
    arms: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Category:
    """A product category; ``cycle_days`` > 0 makes it one that is bought by replenishment only."""

    name: str
    share: float
    margin_rate: float
    cycle_days: float = 0.0
    unit_price: float = 0.0


@dataclass(frozen=True)
class Dirt:
    """What is wrong with the exports; all zero gives clean tables."""

    # Two accounts per person: the commonest fault of a CRM. Half of them are known to its identity map.
    duplicated_identity_share: float = 0.02
    listed_identity_share: float = 0.5
    # Forms that demand an e-mail get a placeholder; merging on it would join strangers.
    placeholder_email_share: float = 0.002
    # Orders sent back, wholly or in part, within a month: usual outside of fashion.
    returned_order_share: float = 0.04
    # Offline tills and app events that are uploaded some days later.
    late_row_share: float = 0.02
    late_mean_days: float = 3.0
    # Orders of the shop's own staff, rows exported twice, purchases of guests without an account.
    test_order_share: float = 0.002
    duplicated_row_share: float = 0.002
    blank_id_share: float = 0.003

    @classmethod
    def none(cls) -> Dirt:
        """Clean tables."""
        return cls(**{field.name: 0.0 for field in fields(cls) if field.name.endswith("share")})


@dataclass(frozen=True)
class World:
    """Hyper-parameters of the simulation; see the comment at each."""

    # --- Joining: a growing shop whose spring sale and Black Friday bring bursts of new customers.
    joiners_growth_per_year: float = 0.25
    burst_months: tuple[tuple[int, float], ...] = ((4, 1.4), (11, 1.8))
    # Some register first and buy months later or never: the prospects.
    late_starter_share: float = 0.06
    late_start_mean_days: float = 240.0

    # --- Season of all free purchases: (day of year, level), straight lines between, scaled to mean 1.
    # Sales lull in January, summer dip, Christmas peak at 2.2 times the average of spring.
    season_knots: tuple[tuple[int, float], ...] = (
        (1, 0.80), (20, 0.78), (60, 0.92), (105, 1.02), (150, 1.00), (180, 0.90), (205, 0.76), (235, 0.80), (260, 0.98),
        (300, 1.08), (325, 1.55), (345, 2.20), (357, 1.60), (361, 0.85), (366, 0.80),
    )  # fmt: skip
    # Monday to Sunday, mean 1: Saturdays are strong.
    weekday_factors: tuple[float, ...] = (0.95, 0.92, 0.93, 0.97, 1.05, 1.18, 1.00)
    # No drift of the whole business: growth comes from joiners.
    trend_per_year: float = 0.0

    # --- Heterogeneity: gamma around a mean that observables shift.
    # Four free orders a year; shape 1.3 makes most rare and few frequent buyers (CDNOW: 0.55, grocers: 2 and more).
    orders_per_year: float = 4.0
    orders_shape: float = 1.3
    # Two fifths leave within a year, three fifths within two; shape 1.5 as in published Pareto/NBD fits (0.6 to 3).
    dropouts_per_year: float = 0.6
    dropout_shape: float = 1.5
    # Gamma-Gamma spend: orders vary by 41 % around the own mean, own means by 71 % around the group's.
    order_value: float = 55.0
    order_value_shape: float = 6.0
    order_value_mean_shape: float = 4.0
    # Browsing without buying, every two months on average.
    activity_per_year: float = 6.0
    activity_shape: float = 1.5

    # --- Observables. Paid social brings people who try once, referrals and shops bring loyal ones.
    acquisition_channels: tuple[Level, ...] = (
        Level("organic", 0.26, 1.00, 1.00, 1.00, 0.0, 0.0),
        Level("search_ads", 0.24, 0.95, 1.10, 1.00, 0.2, 14.0),
        Level("social_ads", 0.20, 0.75, 1.55, 0.85, 0.7, 11.0),
        Level("referral", 0.12, 1.35, 0.65, 1.10, 0.0, 6.0),
        Level("marketplace", 0.12, 0.70, 1.35, 0.90, -0.7, 9.0),
        Level("store", 0.06, 1.20, 0.75, 1.20, -0.4, 4.0),
    )
    # The young leave sooner, spend less and react more to offers.
    age_bands: tuple[Level, ...] = (
        Level("18-24", 0.14, 0.85, 1.30, 0.75, 0.8),
        Level("25-34", 0.27, 1.00, 1.05, 0.95, 0.4),
        Level("35-44", 0.25, 1.10, 0.95, 1.10, 0.0),
        Level("45-54", 0.18, 1.05, 0.85, 1.15, -0.4),
        Level("55+", 0.16, 0.95, 0.80, 1.05, -0.8),
    )
    # Incomes differ by region, habits do not.
    regions: tuple[Level, ...] = (
        Level("capital", 0.30, spend=1.25),
        Level("north", 0.25, spend=0.95),
        Level("south", 0.20, spend=0.85),
        Level("west", 0.25, spend=0.95),
    )
    # A fifth pay for a delivery plan; those who do are loyal.
    subscriber_share: float = 0.20
    subscriber_rate: float = 1.15
    subscriber_hazard: float = 0.75
    # Consent given at sign-up; letters need no opt-in in most places, so few object.
    consent_shares: tuple[tuple[str, float], ...] = (("email", 0.66), ("push", 0.35), ("sms", 0.30), ("post", 0.92))

    # --- Replenishment: consumables with natural cycles; a habit starts with the first order and ends with the customer.
    habit_shares: tuple[float, ...] = (0.70, 0.24, 0.06)  # 0, 1 or 2 habits
    # Customers' own cycles differ by about 25 % around the category's, intervals by 10 % around the own cycle.
    cycle_shape: float = 16.0
    interval_shape: float = 100.0
    categories: tuple[Category, ...] = (
        Category("home", 0.24, 0.42),
        Category("fashion", 0.22, 0.50),
        Category("books", 0.16, 0.28),
        Category("toys", 0.14, 0.36),
        Category("beauty", 0.14, 0.55),
        Category("garden", 0.10, 0.34),
        Category("coffee", 0.35, 0.32, cycle_days=28.0, unit_price=14.0),
        Category("pet_food", 0.30, 0.25, cycle_days=35.0, unit_price=24.0),
        Category("vitamins", 0.20, 0.48, cycle_days=60.0, unit_price=19.0),
        Category("lenses", 0.15, 0.38, cycle_days=90.0, unit_price=42.0),
    )
    products_per_category: int = 40
    # Half of the lines of free orders come from the own favourite category.
    favourite_share: float = 0.5
    lines_per_order_shares: tuple[float, ...] = (0.45, 0.30, 0.15, 0.10)
    # A fifth of the lines are bought in a 15 % sale; the order value is what is paid, after it.
    sale_line_share: float = 0.20
    sale_discount_share: float = 0.15
    # A return comes two to thirty days later; a third of the returned orders of several lines come back whole.
    return_days: tuple[float, float] = (2.0, 30.0)
    whole_return_share: float = 1 / 3

    # --- Behaviour that precedes churn. Decline over eight weeks, then a background that never quite stops.
    leaving_step_days: float = 14.0
    activity_curve: Curve = (0.40, 0.40, 0.50, 0.65, 0.85, 1.0)
    open_curve: Curve = (0.50, 0.55, 0.65, 0.75, 0.90, 1.0)
    complaints_per_year: float = 0.10
    complaint_curve: Curve = (0.2, 6.0, 6.0, 3.0, 3.0, 1.0)
    support_tickets_per_year: float = 0.30
    support_ticket_curve: Curve = (0.3, 3.5, 3.5, 2.0, 2.0, 1.0)
    # Answers to the recommendation question: noisy, two points lower on the way out (mean, spread before rounding).
    nps_per_year: float = 0.5
    nps_curve: Curve = (0.3, 1.0, 1.0, 1.0, 1.0, 1.0)
    nps_settled: tuple[float, float] = (8.2, 1.9)
    nps_leaving: tuple[float, float] = (6.2, 2.4)
    # Who has left unsubscribes in time; contact itself makes some unsubscribe, see kinds.
    unsubscribes_per_year: float = 0.05
    unsubscribe_curve: Curve = (5.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    # A newsletter every four weeks, a push every twelve; a seventh of the opened e-mails is clicked.
    newsletter_days: int = 28
    push_days: int = 84
    p_click: float = 0.15
    readers: tuple[Reader, ...] = (
        Reader("rare", 0.35, 0.05, -1.2),
        Reader("sometimes", 0.40, 0.22, 0.1),
        Reader("avid", 0.25, 0.50, 1.3),
    )

    # --- Subscriptions: (plan, price per month, share of holders); the last plan may be downgraded to the first.
    plans: tuple[tuple[str, float, float], ...] = (("delivery-basic", 4.9, 0.6), ("delivery-plus", 9.9, 0.4))
    add_ons: tuple[tuple[str, float, float], ...] = (("gift-wrap", 2.5, 0.40), ("premium-support", 3.9, 0.25))
    # Plans end for reasons of their own; once the customer is gone, within months, when an invoice is noticed.
    plan_ends_per_year: float = 0.12
    plan_end_curve: Curve = (20.0, 1.5, 1.5, 1.5, 1.5, 1.0)
    # Add-ons are dropped, plans downgraded before churn.
    add_on_ends_per_year: float = 0.20
    add_on_end_curve: Curve = (15.0, 8.0, 8.0, 5.0, 5.0, 1.0)
    downgrades_per_year: float = 0.15
    downgrade_curve: Curve = (2.0, 6.0, 6.0, 4.0, 4.0, 1.0)

    # --- Campaigns. Persuadables order more while a contact works; those not to be disturbed leave sooner.
    effect_days: int = 56
    p_delivered: float = 0.96
    kinds: tuple[ResponseKind, ...] = (
        ResponseKind("persuadable", 0.30, 1.3, 1.0, 0.003, ContactEffect(rate=1.3), ContactEffect(rate=2.0)),
        ResponseKind("sure_thing", 0.30, 0.0, 1.35, 0.003),
        ResponseKind("lost_cause", 0.29, -1.0, 0.65, 0.008),
        ResponseKind("do_not_disturb", 0.11, -0.7, 1.0, 0.10, ContactEffect(0.7, 4.0), ContactEffect(0.7, 4.0)),
    )
    treatments: tuple[Treatment, ...] = (
        Treatment("email", "email", 0.05),
        Treatment("letter", "post", 1.10, discount_share=0.10, p_redeem=0.5),
    )
    # Windows of eight weeks that never overlap and all close before as_of.
    campaigns: tuple[Campaign, ...] = (
        Campaign("first_mail", 430, ("email",), (0.40, 0.60)),
        Campaign("voucher_letter", 255, ("letter",), (0.40, 0.60)),
        Campaign("mail_or_letter", 91, ("email", "letter"), (0.34, 0.33, 0.33)),
    )

    dirt: Dirt = Dirt()

    @property
    def leaving_days(self) -> float:
        """How long before leaving behaviour starts to change: four steps."""
        return self.leaving_step_days * 4

    @property
    def free_categories(self) -> tuple[Category, ...]:
        """Categories of the orders that follow no cycle."""
        return tuple(category for category in self.categories if not category.cycle_days)

    @property
    def habit_categories(self) -> tuple[Category, ...]:
        """Categories bought by replenishment."""
        return tuple(category for category in self.categories if category.cycle_days)
