"""The file of all hyperparameters, and the folders of training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
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
    decoder: dict[str, Any]  # for the further training of the autoencoder's decoder
    text_encoder: dict[str, Any]
    flow: dict[str, Any]
    sampling: dict[str, Any]
    judge: dict[str, Any]
    codec: dict[str, Any]
    tarflow: dict[str, dict[str, Any]]  # by the name of the model

    @property
    def folder(self) -> Path:
        """The folder of pictures, checkpoints and logs."""
        return Path(self.data["folder"])

    @property
    def held_out(self) -> Path:
        """The file that lists what training never sees."""
        return Path(self.data["held_out"])

    @property
    def model(self) -> str:
        """The name of the model that takes prompts."""
        return str(self.flow["model"])

    @property
    def models(self) -> Path:
        """The folder that models are written to."""
        return Path(self.data["models"])


def load_config(path: Path = DEFAULT) -> Config:
    return Config(**tomllib.loads(path.read_text()))


def arguments(description: str | None, models: bool = False, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line of a training step: `config`, which is read, and `models`, names or folders.

    Args:
        description: the description of the step; its first line is shown as help.
        models: whether the step takes names of models.
        argv: arguments to parse in place of the command line.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=DEFAULT, help="hyperparameters; %(default)s by default")
    if models:
        parser.add_argument("models", metavar="MODEL", nargs="*", help="all where none is named")
    parsed = parser.parse_args(argv)
    parsed.config = load_config(parsed.config)
    return parsed
