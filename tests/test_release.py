"""One version: of the package, the change log, the wheel, and the pack of the ComfyUI registry."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import starflow_core

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    return import_module("release")


def test_newest_change_is_of_this_version(release: ModuleType) -> None:
    assert release.newest()[0] == starflow_core.__version__ == release.version()


def test_wheel_reads_the_version_from_the_package() -> None:
    content = tomllib.loads(PYPROJECT)
    assert "version" in content["project"]["dynamic"]
    assert "version" not in content["project"]
    assert content["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "starflow_core.__version__"}


def test_registry_finds_the_version_as_text(release: ModuleType) -> None:
    content = tomllib.loads(release.stamped(PYPROJECT))
    assert content["project"].pop("version") == starflow_core.__version__
    assert "dynamic" not in content["project"]
    expected = tomllib.loads(PYPROJECT)
    del expected["project"]["dynamic"]
    assert content == expected


def test_pyproject_that_is_stamped_already_is_refused(release: ModuleType) -> None:
    with pytest.raises(SystemExit, match="dynamic"):
        release.stamped(release.stamped(PYPROJECT))


def log(folder: Path, heading: str) -> None:
    (folder / "starflow_core").mkdir()
    (folder / "starflow_core" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (folder / "CHANGELOG.md").write_text(f"# Changes\n\n{heading}\n\n## 1.2.2 (2026-01-01)\n")


def test_release_takes_the_tag_of_its_version(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(tmp_path, "## 1.2.3 (2026-02-01)")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    release.check("v1.2.3")


@pytest.mark.parametrize(
    ("heading", "tag", "said"),
    [
        ("## 1.2.3 (2026-02-01)", "v1.2.4", "v1.2.4"),
        ("## 1.2.3 (2026-02-01)", "1.2.3", "The tag is 1.2.3"),
        ("## 1.2.4 (2026-02-01)", "v1.2.3", "1.2.4"),
        ("## 1.2.3 (unreleased)", "v1.2.3", "unreleased"),
        ("## 1.2.3", "v1.2.3", "nothing"),
    ],
)
def test_release_refuses_another_tag_or_an_undated_change(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heading: str, tag: str, said: str
) -> None:
    log(tmp_path, heading)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=said):
        release.check(tag)
