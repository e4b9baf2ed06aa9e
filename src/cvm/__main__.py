"""``python -m cvm``."""

from cvm.cli import main

main()
