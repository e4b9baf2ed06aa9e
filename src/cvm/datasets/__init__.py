"""Named data sets: real customer bases that need no preparation, or one command of it."""

from cvm.datasets.catalogue import Dataset, Prepared, is_available, prepare
from cvm.datasets.cdnow import CDNOW, cdnow_transactions
from cvm.datasets.complete_journey import COMPLETE_JOURNEY
from cvm.datasets.hillstrom import HILLSTROM
from cvm.datasets.online_retail import ONLINE_RETAIL
from cvm.datasets.starbucks import STARBUCKS
from cvm.datasets.telco import TELCO

DATASETS = {dataset.name: dataset for dataset in (CDNOW, COMPLETE_JOURNEY, HILLSTROM, ONLINE_RETAIL, STARBUCKS, TELCO)}

__all__ = ["DATASETS", "Dataset", "Prepared", "cdnow_transactions", "is_available", "prepare"]
