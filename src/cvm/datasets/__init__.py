"""Named data sets: real customer bases that need no preparation."""

from cvm.datasets.cdnow import cdnow_transactions

__all__ = ["cdnow_transactions"]
