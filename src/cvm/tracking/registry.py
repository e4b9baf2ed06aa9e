"""Registered versions of a bundle: as a model of features and as one of raw histories, always of one mind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.tracking import MlflowClient

from cvm.errors import TrackingError
from cvm.models.bundle import Bundle
from cvm.tracking.served import history_name, log_scoring_model

# Tag of registered versions and of runs: the content hash of their bundle.
MODEL_VERSION = "model_version"


def tagged(model_version: str) -> str:
    """Filter of MLflow for the runs of one bundle."""
    return f"tags.{MODEL_VERSION} = '{model_version}'"


@dataclass(frozen=True)
class Registry:
    """The versions registered in one store.

    Attributes
    ----------
    client : MlflowClient
    model : str
        Name of the model of features; that of raw histories is its ``history_name``.
    """

    client: MlflowClient
    model: str

    @property
    def _names(self) -> tuple[str, str]:
        return self.model, history_name(self.model)

    def register(self, bundle: Bundle) -> str:
        """Log a bundle to the active run and register it; gives the version of the model of features.

        The model of raw histories is left out where the bundle does not tell how its features are computed.
        """
        if bundle.raw:
            self._registered(history_name(self.model), bundle, takes_histories=True)
        return self._registered(self.model, bundle, takes_histories=False)

    def holds(self, bundle: Bundle) -> bool:
        """Whether a bundle is registered under every name it should be."""
        names = self._names if bundle.raw else (self.model,)
        return all(self._versions(name, bundle.model_version) for name in names)

    def set_alias(self, alias: str, model_version: str) -> None:
        """Give the latest versions of a bundle an alias; where there is no model of raw histories, nothing has it there."""
        for name in self._names:
            versions = self._versions(name, model_version)
            if versions:
                self.client.set_registered_model_alias(name, alias, versions[0])
            else:
                self._delete_alias(name, alias)

    def version_behind(self, alias: str) -> str:
        """Version of the model of features that has an alias.

        Raises
        ------
        TrackingError
            If none has; the aliases that there are are named.
        """
        aliases = self.aliases()
        if alias not in aliases:
            there = f"there are {sorted(aliases)}" if aliases else "nothing is registered yet, `cvm train` does it"
            raise TrackingError(f"The registered model {self.model!r} has no alias {alias!r}; {there}.")
        return aliases[alias]

    def aliases(self) -> dict[str, str]:
        """Versions of the model of features by alias."""
        models = self.client.search_registered_models(f"name = '{self.model}'")
        return {name: str(version) for model in models for name, version in model.aliases.items()}

    def delete_alias(self, alias: str) -> None:
        """Nothing has it any more."""
        for name in self._names:
            self._delete_alias(name, alias)

    def tag(self, model_version: str, tags: Mapping[str, str]) -> None:
        """Say something of all versions of a bundle."""
        for name in self._names:
            for version in self._versions(name, model_version):
                for tag, value in tags.items():
                    self.client.set_model_version_tag(name, version, tag, value)

    def _registered(self, name: str, bundle: Bundle, *, takes_histories: bool) -> str:
        info = log_scoring_model(name, bundle, takes_histories=takes_histories)
        # By the client, because mlflow.register_model prints.
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        tags = {MODEL_VERSION: bundle.model_version}
        made = self.client.create_model_version(name, source=info.model_uri, model_id=info.model_id, tags=tags)
        return str(made.version)

    def _versions(self, name: str, model_version: str) -> list[str]:
        """Registered versions of a bundle, the latest first."""
        found = self.client.search_model_versions(f"name = '{name}' and {tagged(model_version)}")
        return [str(number) for number in sorted((int(version.version) for version in found), reverse=True)]

    def _delete_alias(self, name: str, alias: str) -> None:
        found = self.client.search_registered_models(f"name = '{name}'")
        if found and alias in found[0].aliases:
            self.client.delete_registered_model_alias(name, alias)
