"""Make the folder of a Hugging Face Space: `python tools/make_space.py FOLDER`, to be pushed to its repository."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("app.py", "demo", "nodes", "starflow_core", "web", "workflows", "LICENSE", "NOTICE")
NO_CODE = shutil.ignore_patterns("__pycache__", "comfy*.py")


def make(folder: Path) -> None:
    """Write what the Space runs: the code, its front matter and its requirements.

    Raises:
        ValueError: the folder holds something already, other than a repository.
    """
    if folder.is_dir() and any(path.name != ".git" for path in folder.iterdir()):
        raise ValueError(f"{folder} is not empty; name a new folder, or a fresh clone of the Space.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*(ROOT / name for name in CODE), *(ROOT / "space").iterdir()):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=NO_CODE)
        else:
            shutil.copy(path, folder / path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the folder of a Hugging Face Space.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    try:
        make(folder)
    except ValueError as error:
        parser.error(str(error))
    print(f"{folder} is ready; commit it to the Space's repository, with Git LFS for *.safetensors.")


if __name__ == "__main__":
    main()
