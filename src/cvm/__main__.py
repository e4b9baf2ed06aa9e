"""The command ``cvm``, and ``python -m cvm``: signals are heard from here on, before anything heavy is imported."""

from __future__ import annotations

import sys

from cvm.early_signals import heard_early


def main() -> None:
    """Entry point."""
    with heard_early(sys.argv[1:]):
        from cvm.cli import main as command_line

        command_line()


if __name__ == "__main__":
    main()
