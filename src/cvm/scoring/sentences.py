"""Reasons in words: one table from the name of a feature to a short sentence with its numbers.

A sentence compares with the customer's own past where the catalogue knows it, else with what is typical of the base.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Value = float | str | None
Lookup = Callable[[str], Value]

_MAX_QUOTED = 40
_SINGULAR = {"categories": "category"}
# What events of a type are called, one and several.
_NOUNS = {
    "visit": ("visit", "visits"),
    "login": ("login", "logins"),
    "app_open": ("opening of the app", "openings of the app"),
    "ad_click": ("click on an ad", "clicks on ads"),
    "cart_add": ("product put into the cart", "products put into the cart"),
    "call": ("call", "calls"),
    "chat": ("chat", "chats"),
    "support_ticket": ("support ticket", "support tickets"),
    "complaint": ("complaint", "complaints"),
    "nps": ("answer about recommending", "answers about recommending"),
    "unsubscribe": ("unsubscription", "unsubscriptions"),
    "coupon_redeemed": ("coupon redeemed", "coupons redeemed"),
    "tier_change": ("change of tier", "changes of tier"),
    "contact": ("contact", "contacts"),
    "subscription_change": ("change of subscription", "changes of subscription"),
    "subscription_end": ("end of a subscription", "ends of subscriptions"),
}
_LETTERS = {
    "email": ("e-mail", "e-mails"),
    "push": ("push message", "push messages"),
    "sms": ("SMS", "SMS"),
    "message": ("message", "messages"),
}
# Units that a sentence out of the catalogue's words must tell.
_TOLD_UNITS = ("days", "months", "share", "currency", "currency per month", "ratio", "0 to 10")
_DONE = {"sent": "sent", "open": "opened", "click": "clicked"}


@dataclass(frozen=True)
class Described:
    """What the catalogue says of a feature, and what is typical of the base: null where unknown."""

    unit: str
    meaning: str
    typical: float | None = None


@dataclass(slots=True)  # not frozen, which would take most of the time of a sentence
class Fact:
    """One feature of one customer that raises or lowers churn.

    Attributes
    ----------
    feature : str
    value : float, str or None
    raises : bool
    of : callable
        The customer's other features; None where missing.
    base : mapping of str to Described
    currency : str
    """

    feature: str
    value: Value
    raises: bool
    of: Lookup
    base: Mapping[str, Described]
    currency: str

    @property
    def parts(self) -> Mapping[str, str]:
        """Parts of the feature's name, such as the window."""
        return _phrase_of(self.feature)[1]

    @property
    def unit(self) -> str:
        """What the value counts."""
        return self.base[self.feature].unit if self.feature in self.base else ""

    def number(self, name: str) -> float | None:
        """Another feature of the customer, if it is a number."""
        value = self.of(name)
        return value if isinstance(value, float) else None

    def typical(self, name: str) -> float | None:
        """What is typical of the base."""
        return self.base[name].typical if name in self.base else None


Phrase = Callable[[Fact], str]


def sentence(fact: Fact) -> str:
    """The fact in words, without ids and addresses.

    >>> base = {"recency_days": Described("days", "Days since the last order.", 40.0)}
    >>> customer = {"recency_days": 94.0, "n_orders": 6.0, "mean_gap_days": 31.2}
    >>> sentence(Fact("recency_days", 94.0, True, customer.get, base, "EUR"))
    'no order for 94 days; usually every 31 days'
    """
    if fact.value is None:
        return f"{_named(fact)}: unknown"
    return _phrase_of(fact.feature)[0](fact)


def quantity(value: Value, unit: str, currency: str) -> str:
    """A value with its unit.

    >>> quantity(1.0, "orders", "EUR"), quantity(0.8, "share", "EUR"), quantity(42.5, "currency", "EUR")
    ('1 order', '80 %', '42.50 EUR')
    """
    if not isinstance(value, float):
        return _quoted(value)
    if unit == "share":
        return f"{round(100 * value)} %"
    if unit in ("currency", "currency per month"):
        money = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:,.2f}"
        return f"{money} {currency}{unit.removeprefix('currency')}"
    if unit == "ratio":
        return f"{number(value)} times"
    if unit == "0 to 10":
        return f"{number(value)} out of 10"
    if unit in ("", "as supplied", "-1 to 1"):
        return number(value)
    said = number(value)
    return f"{said} {_SINGULAR.get(unit, unit.removesuffix('s')) if said == '1' else unit}"


def number(value: float) -> str:
    """As many digits as a reader wants.

    >>> [number(value) for value in (3.0, 0.26, 31.25, 94.6, 12345.6, 0.001)]
    ['3', '0.3', '31', '95', '12,346', '0.001']
    """
    if value == round(value) or abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 0.1 else f"{value:.1g}"


def _stated(template: str) -> Phrase:
    """The value with its unit, and what is typical."""

    def phrase(fact: Fact) -> str:
        value, typical = _measured(fact, fact.value), fact.typical(fact.feature)
        usual = "" if typical is None else _measured(fact, typical)
        said = template.format(value=value, **fact.parts)
        return f"{said}; typical {usual}" if usual and usual != value and not isinstance(fact.value, str) else said

    return phrase


def _described(fact: Fact) -> str:
    """What the catalogue says, for features without a sentence of their own; it names what is counted."""
    unit = fact.unit if fact.unit in _TOLD_UNITS else ""
    value, typical = quantity(fact.value, unit, fact.currency), fact.typical(fact.feature)
    usual = value if typical is None else quantity(typical, unit, fact.currency)
    return f"{_named(fact)}: {value}" if usual == value else f"{_named(fact)}: {value}; typical {usual}"


def _silence(fact: Fact) -> str:
    """Days since the last order, against the customer's own gap where there are two, else against the base."""
    days = fact.number("recency_days")
    if days is None:
        return _described(fact)
    gap, n_orders = _own_gap(fact), fact.number("n_orders") or 0.0
    if n_orders <= 1:
        typical = fact.typical("second_order_gap_days")
        begun = f"no second order for {_days(days)}" if fact.raises else f"first order {_days(days)} ago"
        return f"{begun}; usually after {_days(typical)}" if typical and fact.raises == (days > typical) else begun
    begun = f"no order for {_days(days)}" if fact.raises else f"last order {_days(days)} ago"
    if gap and fact.raises == (days > gap):
        return f"{begun}; usually {_often(gap)}" if n_orders > 2 else f"{begun}; {_days(gap)} between the two orders"
    typical = fact.typical("recency_days")
    return f"{begun}; typical {_days(typical)}" if typical and fact.raises == (days > typical) else begun


def _rhythm(fact: Fact) -> str:
    """Orders so far and how often, against the base where that explains the direction."""
    n_orders, gap = float(fact.value or 0.0), _own_gap(fact)
    said = "only 1 order so far" if n_orders == 1 and fact.raises else f"{quantity(n_orders, 'orders', '')} so far"
    if gap and n_orders == 2:
        said += f", {_days(gap)} apart"
    elif gap:
        said += f", {_often(gap, 'about ')}"
    typical, usual_gap = fact.typical("n_orders"), fact.typical("mean_gap_days")
    if typical and typical != n_orders and fact.raises == (n_orders < typical):
        return f"{said}; typical {quantity(typical, 'orders', '')}"
    if gap and usual_gap and fact.raises == (gap > usual_gap):
        return f"{said}; typical {_days(usual_gap) if n_orders == 2 else _often(usual_gap)}"
    return said


def _gap(fact: Fact) -> str:
    """How often the customer orders, and how often is typical."""
    gap, typical = float(fact.value or 0.0), fact.typical(fact.feature)
    said = _often(gap, "an order ") if gap else "all orders on one day"
    return said if not typical or said.endswith(_often(typical)) else f"{said}; typical {_often(typical)}"


def _recent(fact: Fact) -> str:
    """Counts of a window against the window before, where that explains the direction, else against the base."""
    window, what = int(fact.parts["window"]), fact.parts["what"]
    found = fact.number(f"n_{what}_{window}d")
    if found is None or fact.unit not in ("orders", "events", "contacts", "-1 to 1"):
        return _described(fact)
    said = f"{_counted(found, what)} in the last {_days(window)}"
    before = _before(fact, what, window, found)
    if before is not None and fact.raises == (found < before):
        return f"{said}, {'none' if before == 0 else number(before)} in the {window} before"
    typical = fact.typical(f"n_{what}_{window}d")
    return said if typical is None or typical == found else f"{said}; typical {_typical_count(typical, what)}"


def _before(fact: Fact, what: str, window: int, found: float) -> float | None:
    """Count of the window before: from the count of twice the window, else from the trend, where either is known."""
    double, trend = fact.number(f"n_{what}_{2 * window}d"), fact.number(f"trend_{what}_{window}d")
    if double is not None:
        return double - found
    # trend = (found - before) / (found + before)
    return round(found * (1 - trend) / (1 + trend)) if found and trend is not None and trend > -1 else None


def _answered(fact: Fact) -> str:
    """Messages opened or clicked, of those sent in the same window."""
    kind, verb, window = (fact.parts[name] for name in ("kind", "verb", "window"))
    found, sent = fact.number(f"n_{kind}_{verb}_{window}d"), fact.number(f"n_{kind}_sent_{window}d")
    if found is None or sent is None or sent < max(found, 2):
        return _recent(fact)
    some = "none" if found == 0 else number(found)
    return f"{_DONE[verb]} {some} of the {number(sent)} {_LETTERS[kind][1]} of the last {_days(int(window))}"


def _since(fact: Fact) -> str:
    return _stated(f"last {_escaped(_nouns(fact.parts['what'])[0])} {{value}} ago")(fact)


def _spend_trend(fact: Fact) -> str:
    window, trend = fact.parts["window"], float(fact.value or 0.0)
    lately, before = f"in the last {window} days", f"in the {window} before"
    if trend >= 1:
        return f"bought {lately}, but nothing {before}"
    if trend <= -1:
        return f"bought nothing {lately}, but did {before}"
    change = round(100 * abs((1 + trend) / (1 - trend) - 1))
    if change == 0:
        return f"spent as much {lately} as {before}"
    return f"spent {change} % {'more' if trend > 0 else 'less'} {lately} than {before}"


def _used(fact: Fact) -> str:
    return f"most used {_said(fact.parts['what'])}: {_quoted(fact.value)}"


def _attribute(fact: Fact) -> str:
    return _stated(f"{_escaped(_said(fact.parts['what']))}: {{value}}")(fact)


def _mixed(template: str) -> Phrase:
    def phrase(fact: Fact) -> str:
        return _stated(template.format(what=_escaped(_said(fact.parts["what"])), value="{value}"))(fact)

    return phrase


# Feature to words; first match wins, named groups are the parts of the name.
_WORDS: tuple[tuple[str, Phrase], ...] = (
    (r"(attribute|own)_(?P<what>.+)", _attribute),
    (r"recency_days|recency_over_mean_gap", _silence),
    (r"n_orders", _rhythm),
    (r"tenure_days", _stated("first order {value} ago")),
    (r"active_months", _stated("orders in {value}")),
    (r"mean_gap_days", _gap),
    (r"std_gap_days", _stated("days between orders vary by {value}")),
    (r"max_gap_days", _stated("longest pause between orders {value}")),
    (r"last_gap_days", _stated("{value} between the last two orders")),
    (r"second_order_gap_days", _stated("second order after {value}")),
    (r"mean_order_value", _stated("mean order {value}")),
    (r"median_order_value", _stated("median order {value}")),
    (r"std_order_value", _stated("orders vary by {value}")),
    (r"(?P<what>first|last)_order_value", _stated("{what} order {value}")),
    (r"min_order_value", _stated("smallest order {value}")),
    (r"max_order_value", _stated("largest order {value}")),
    (r"last_over_mean_order_value", _stated("last order {value} the customer's mean")),
    (r"share_weekend_orders", _stated("{value} of orders at the weekend")),
    (r"share_orders_q(?P<quarter>\d)", _stated("{value} of orders in quarter {quarter}")),
    (r"spend", _stated("spent {value} so far")),
    (r"spend_(?P<window>\d+)d", _stated("spent {value} in the last {window} days")),
    (r"trend_spend_(?P<window>\d+)d", _spend_trend),
    (r"historic_value", _stated("earned {value} of margin so far")),
    (r"cost_to_serve", _stated("cost {value} to serve so far")),
    (r"cost_to_serve_(?P<window>\d+)d", _stated("cost {value} to serve in the last {window} days")),
    (r"n_returns", _stated("{value} returned so far")),
    (r"share_returned", _stated("{value} of the money spent was returned")),
    (r"lines_per_active_day", _stated("{value} per day with a purchase")),
    (r"quantity", _stated("{value} bought so far")),
    (r"n_products", _stated("{value} bought so far")),
    (r"n_categories", _stated("{value} bought so far")),
    (r"n_categories_(?P<window>\d+)d", _stated("{value} bought in the last {window} days")),
    (r"share_discount", _stated("discount of {value} on what was bought")),
    (r"share_discounted_lines", _stated("{value} of lines bought at a discount")),
    (r"share_main_(?P<what>\w+)", _mixed("{value} through the most used {what}")),
    (r"main_(?P<what>\w+)", _used),
    (r"n_(?P<what>\w+)_values", _mixed("different values of {what}: {value}")),
    (r"last_nps", _stated("last recommendation score {value}")),
    (r"n_event_days_(?P<window>\d+)d", _stated("active on {value} of the last {window}")),
    (r"days_since_event", _stated("last seen {value} ago")),
    (r"days_since_signup", _stated("signed up {value} ago")),
    (r"(n|trend)_(?P<what>(?P<kind>email|push|sms|message)_(?P<verb>open|click))_(?P<window>\d+)d", _answered),
    (r"(n|trend)_(?P<what>\w+)_(?P<window>\d+)d", _recent),
    (r"days_since_(?P<what>\w+)", _since),
)
_COMPILED = tuple((re.compile(pattern), phrase) for pattern, phrase in _WORDS)


@lru_cache(maxsize=4096)
def _phrase_of(feature: str) -> tuple[Phrase, Mapping[str, str]]:
    for pattern, phrase in _COMPILED:
        found = pattern.fullmatch(feature)
        if found:
            return phrase, found.groupdict()
    return _described, {}


def _own_gap(fact: Fact) -> float | None:
    """Mean days between the customer's orders; missing with one order, and where all were on one day."""
    gap = fact.number("mean_gap_days")
    if gap is None:
        n_orders, tenure, recency = (fact.number(name) for name in ("n_orders", "tenure_days", "recency_days"))
        if n_orders is None or tenure is None or recency is None or n_orders < 2:
            return None
        gap = (tenure - recency) / (n_orders - 1)
    return gap or None


def _counted(count: float, what: str) -> str:
    one, several = _nouns(what)
    return f"{'no' if count == 0 else number(count)} {one if count == 1 else several}"


@lru_cache(maxsize=4096)
def _nouns(what: str) -> tuple[str, str]:
    if what == "orders":
        return "order", "orders"
    kind, _, verb = what.rpartition("_")
    if kind in _LETTERS and verb in _DONE:
        one, several = _LETTERS[kind]
        return f"{one} {_DONE[verb]}", f"{several} {_DONE[verb]}"
    return _NOUNS.get(what, (f"event of type {_said(what)}", f"events of type {_said(what)}"))


def _measured(fact: Fact, value: Value) -> str:
    """A value of the fact's feature with its unit; counts of days (``n_...``) are no spans of time."""
    is_span = fact.unit == "days" and not fact.feature.startswith("n_")
    return _days(value) if is_span and isinstance(value, float) else quantity(value, fact.unit, fact.currency)


def _typical_count(count: float, what: str) -> str:
    """A count and what is counted; types of events that are not in the table are just events."""
    said = quantity(count, "events", "") if _nouns(what)[0].startswith("event of type ") else _counted(count, what)
    return said if count else "none"


def _days(days: float) -> str:
    return "less than a day" if 0 <= days < 1 else quantity(float(days), "days", "")


def _often(gap: float, before: str = "") -> str:
    """How often somebody orders, from the mean days between orders."""
    return "more than one order a day" if gap < 1 else f"{before}every {'day' if gap == 1 else _days(gap)}"


def _named(fact: Fact) -> str:
    """The feature in the catalogue's words, else its name."""
    meaning = fact.base[fact.feature].meaning if fact.feature in fact.base else ""
    first = meaning.partition(";")[0].strip().removesuffix(".")
    return _said(first[:1].lower() + first[1:] if first else fact.feature)


def _said(name: str) -> str:
    return {"store_id": "store", "event_channel": "channel of contact"}.get(name, name.replace("_", " ").strip())


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _quoted(value: object) -> str:
    """A category as recorded, unless it looks like a person's address or number."""
    text = " ".join(str(value).split())
    is_personal = "@" in text or len(re.findall(r"\d", text)) > 6
    return "not shown" if is_personal else text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 1]}…"
