"""Everything that is asked: one question at a time, with the answer proposed and the reason for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# The answer that says: nothing of the kind.
NONE = "-"


def _anything(answer: str) -> str | None:
    del answer
    return None


@dataclass(frozen=True)
class Question:
    """What the user may decide otherwise.

    Attributes
    ----------
    subject : str
        What it is about, such as the files.
    text : str
        What is asked.
    proposal : str
        The answer where the user gives none; ``NONE`` is nothing of the kind.
    reason : str
        Why it is proposed.
    problem : callable
        What is wrong with an answer, or ``None``.
    """

    subject: str
    text: str
    proposal: str
    reason: str
    problem: Callable[[str], str | None] = _anything


Ask = Callable[[Question], str]


def proposed(question: Question) -> str:
    """The answer of nobody: what is proposed."""
    return question.proposal


def one_of(options: list[str]) -> Callable[[str], str | None]:
    """A check that an answer is among the options, or ``NONE`` where that is one."""

    def problem(answer: str) -> str | None:
        return None if answer in options else f"{answer!r} is none of {options}"

    return problem
