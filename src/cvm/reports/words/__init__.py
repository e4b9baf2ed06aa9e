"""The words of the report in three languages, and how each writes numbers and dates."""

from cvm.reports.words.language import LANGUAGES, NOTHING, Words, words

__all__ = ["LANGUAGES", "NOTHING", "Words", "words"]
