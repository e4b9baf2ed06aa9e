"""What a simulated base was made from, on file beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cvm.datasets.simulate.world import World
from cvm.errors import MissingOutputError, SourceError


@dataclass(frozen=True)
class SimulationRecipe:
    """All that is needed to simulate the same base again."""

    n_customers: int
    seed: int
    as_of: str
    years: float
    world: World

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_bytes(TypeAdapter(SimulationRecipe).dump_json(self, indent=1))

    @classmethod
    def read(cls, path: Path) -> SimulationRecipe:
        """Read what ``write`` wrote.

        Raises
        ------
        MissingOutputError
            If the file is not there.
        SourceError
            If it is not what this version of cvm writes.
        """
        if not path.is_file():
            raise MissingOutputError.from_stage(path, command="cvm simulate")
        try:
            return TypeAdapter(SimulationRecipe).validate_json(path.read_bytes())
        except ValidationError as error:
            raise SourceError(f"{path} is of another version of cvm or damaged ({error.error_count()} problems). "
                              "Run `cvm simulate` again.") from None  # fmt: skip
