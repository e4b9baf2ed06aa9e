"""How fast BTYD models are fitted, beside ``lifetimes``, on one machine in one run, and whether both find the same optimum.

    python benchmarks/btyd_speed.py [--customers 1000000] [--into benchmarks/btyd_speed.md]

Every fit runs cold, in a process of its own, and counts from the arrays of customers to the parameters, without imports.
Seconds of the processor decide, so that other work on the machine does not; the clock is shown beside them.
``lifetimes`` is called as its users call it, one row per customer, and also with the distinct histories that we group.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

import cvm
from cvm.datasets import cdnow_transactions
from cvm.models.btyd import BgNbd, ParetoNbd, Process
from cvm.models.btyd.distinct import Floats, distinct

REPORT = Path(__file__).with_suffix(".md")
History = tuple[Floats, Floats, Floats]

# reference-figures, section 7: r, alpha in days, a, b; age uniform on 180..719 days, whole-day event times, seed 1.
_TRUTH = BgNbd(0.243, 30.898, 0.793, 2.426)


@dataclass(frozen=True)
class Row:
    """One fit.

    Attributes
    ----------
    work, who : str
    seconds, clock_seconds : float
        Of the processor, all threads together, and of the clock.
    log_likelihood : float
        In the unit of the data, of the parameters found, by our formula for all.
    """

    work: str
    who: str
    seconds: float
    clock_seconds: float
    log_likelihood: float


@dataclass(frozen=True)
class Required:
    """How much faster than a peer we have to be, and to how much of the log-likelihood both optima must agree."""

    peer: str
    times: float


REQUIRED = {
    "BG/NBD": (Required("lifetimes, as called", 8.0), Required("lifetimes, our groups", 3.0)),
    "Pareto/NBD": (Required("lifetimes, as called", 5.0),),
}
SAME_OPTIMUM = 1e-5


def simulated_history(n_customers: int = 1_000_000, *, seed: int = 1) -> History:
    """x, t_x, T of BG/NBD customers in whole days: orders of one day are one, as they would be in a table of days."""
    rng = np.random.default_rng(seed)
    T = rng.integers(180, 720, n_customers).astype(float)
    rate = rng.gamma(_TRUTH.r, 1 / _TRUTH.alpha, n_customers)
    p_stop = rng.beta(_TRUTH.a, _TRUTH.b, n_customers)
    x, t_x, now = (np.zeros(n_customers) for _ in range(3))
    active = np.arange(n_customers)
    while len(active):
        now[active] += rng.exponential(1 / np.maximum(rate[active], 1e-300))
        active = active[now[active] <= T[active]]
        day = np.floor(now[active])
        is_new_day = day > t_x[active]
        x[active] += is_new_day
        t_x[active] = day
        active = active[rng.random(len(active)) >= p_stop[active]]
    return x, t_x, T


def cdnow_history() -> History:
    """x, t_x, T of all 23,570 customers of CDNOW, in days."""
    orders = cdnow_transactions().select(["customer_id", "occurred_at"]).to_pandas().drop_duplicates()
    seen = orders.groupby("customer_id")["occurred_at"].agg(["min", "max", "count"])
    end = pd.Timestamp("1998-07-01")
    t_x, T = (seen["max"] - seen["min"]).dt.days, (end - seen["min"]).dt.days
    return (seen["count"] - 1).to_numpy(float), t_x.to_numpy(float), T.to_numpy(float)


@dataclass(frozen=True)
class Fit:
    """Seconds of processor and clock, and the parameters found."""

    seconds: float
    clock_seconds: float
    parameters: Mapping[str, float]


def timed(fit: Callable[[], Mapping[str, float]]) -> Fit:
    """One fit with the time it took."""
    clock, processor = time.perf_counter(), time.process_time()
    parameters = fit()
    return Fit(time.process_time() - processor, time.perf_counter() - clock, parameters)


def ours(family: type[Process], history: History) -> Fit:
    """Our fit, grouping included."""

    def fit() -> Mapping[str, float]:
        groups = distinct(*history)
        x, t_x, T = groups.columns
        return family.fit(x, t_x, T, groups.weight).state()

    return timed(fit)


def theirs(peer: str, history: History, *, grouped: bool) -> Fit:
    """The fit of ``lifetimes``; the grouping is not counted."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import lifetimes

        columns, weight = history, None
        if grouped:
            groups = distinct(*history)
            columns, weight = (groups.columns[0], groups.columns[1], groups.columns[2]), pd.Series(groups.weight)
        x, t_x, T = (pd.Series(column) for column in columns)
        fitter = getattr(lifetimes, peer)()
        return timed(lambda: fitter.fit(x, t_x, T, weights=weight).params_.astype(float).to_dict())


def measure(n_customers: int = 1_000_000, *, repeats: int = 1) -> list[Row]:
    """All fits, each in a fresh process; of ``repeats`` the fastest counts."""
    rows = []
    for work, family, peer, history, groupings in (
        ("BG/NBD", BgNbd, "BetaGeoFitter", partial(simulated_history, n_customers), (False, True)),
        ("Pareto/NBD", ParetoNbd, "ParetoNBDFitter", cdnow_history, (False,)),
    ):
        data = history()
        fits: dict[str, Callable[[History], Fit]] = {"cvm": partial(ours, family)}
        for grouped in groupings:
            name = "lifetimes, our groups" if grouped else "lifetimes, as called"
            fits[name] = partial(theirs, peer, grouped=grouped)
        for who, fit in fits.items():
            best = min((_cold(fit, data) for _ in range(repeats)), key=lambda one: one.seconds)
            log_likelihood = family(**best.parameters).log_likelihood(*data)
            rows.append(Row(work, who, best.seconds, best.clock_seconds, log_likelihood))
    return rows


def _cold(fit: Callable[[History], Fit], data: History) -> Fit:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(fit, data).result()


def failures(rows: list[Row]) -> list[str]:
    """What the figures fall short of; empty when all is as required."""
    found = []
    for work, required in REQUIRED.items():
        own = {row.who: row for row in rows if row.work == work}
        for peer in required:
            theirs, ours = own[peer.peer], own["cvm"]
            times = theirs.seconds / ours.seconds
            if times < peer.times:
                found.append(f"{work}: {times:.1f} times faster than {peer.peer}, required are {peer.times:g}")
            short = (theirs.log_likelihood - ours.log_likelihood) / abs(theirs.log_likelihood)
            if short > SAME_OPTIMUM:
                found.append(f"{work}: log-likelihood {short:.1e} below that of {peer.peer}, relative")
    return found


def report(rows: list[Row]) -> str:
    """The measured figures as Markdown."""
    best = {row.work: row for row in rows if row.who == "cvm"}

    def line(row: Row) -> str:
        own = best[row.work]
        distance = (row.log_likelihood - own.log_likelihood) / abs(own.log_likelihood)
        times = row.seconds / own.seconds
        seconds = f"{row.seconds:.2f} | {row.clock_seconds:.2f} | {times:.1f}"
        return f"| {row.work} | {row.who} | {seconds} | {row.log_likelihood:,.2f} | {distance:+.1e} |"

    lines = "\n".join(map(line, rows))
    missed = "\n".join(f"- {what}" for what in failures(rows))
    verdict = missed or "All as required: 8 and 3 times for BG/NBD, 5 for Pareto/NBD."
    return f"""# Speed of BTYD fits

Measured by `python benchmarks/btyd_speed.py` with cvm {cvm.__version__} on Python {platform.python_version()}, all in one
run, each fit cold in its own process. BG/NBD: simulated customers in days, a million by default; Pareto/NBD: the 23,570
customers of CDNOW. The log-likelihood is that of the parameters found, by one formula for all; the last column is its
relative distance from ours. Seconds of the processor decide, so that other work on the machine does not.

| fit | by | processor s | clock s | times ours | log-likelihood | less or more |
|---|---|---|---|---|---|---|
{lines}

{verdict}
"""


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--into", type=Path, default=REPORT)
    given = parser.parse_args()
    rows = measure(given.customers, repeats=given.repeats)
    given.into.write_text(report(rows), encoding="utf-8")
    print(given.into.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
