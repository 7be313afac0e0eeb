"""The one file of hyperparameters, and where training keeps what it makes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT = Path(__file__).with_name("config.toml")


@dataclass(frozen=True)
class Config:
    """The tables of `config.toml`."""

    data: dict[str, Any]
    autoencoder: dict[str, Any]
    text_encoder: dict[str, Any]
    flow: dict[str, Any]
    sampling: dict[str, Any]
    tarflow: dict[str, dict[str, Any]]  # by the name of the model

    @property
    def folder(self) -> Path:
        return Path(self.data["folder"])

    @property
    def held_out(self) -> Path:
        """The list of what training never sees."""
        return Path(self.data["held_out"])


def load_config(path: Path = DEFAULT) -> Config:
    return Config(**tomllib.loads(path.read_text()))
