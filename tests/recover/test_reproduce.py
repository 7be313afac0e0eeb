from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import starflow_core.weights.model_folder as model_folder
from starflow_core.drawing import Job
from starflow_core.pipeline import Pipeline
from starflow_core.png_text import IN_ONE, Origin, drawn_with, exif_of, in_one, png_text, settings_of
from starflow_core.recover.origin import NoOrigin, jobs_of, origins_in
from starflow_core.recover.reproduce import reproduce, reproduced
from starflow_core.sampling import Sampling

SMALL = Sampling(size=16, seed=7)


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    read = model_folder.load

    def load(name: Any, **kwargs: Any) -> Pipeline:
        return pipeline if Path(name).name == "starflow-mini" else read(name, **kwargs)

    monkeypatch.setattr(model_folder, "load", load)


def told(pipeline: Pipeline, **changed: Any) -> dict[str, Any]:
    return {**settings_of(pipeline, SMALL, "jacobi", 0.01), **changed}


def saved(path: Path, image: Image.Image, prompt: str, seed: int, settings: Any) -> Path:
    image.save(path, pnginfo=png_text(prompt, seed, settings))
    return path


@pytest.fixture
def heart(tmp_path: Path, pipeline: Pipeline) -> Path:
    image = pipeline.generate("red heart", SMALL)[0]
    return saved(tmp_path / "heart.png", image, "red heart", 7, told(pipeline))


def test_picture_is_drawn_again_bit_by_bit(heart: Path) -> None:
    found = reproduce(heart)
    assert found.is_identical
    assert (found.largest, found.mean, found.remarks) == (0, 0, ())
    assert found.in_words == "bit-identical"
    assert found.image.tobytes() == Image.open(heart).tobytes()


def test_picture_of_a_batch_is_drawn_with_the_others(tmp_path: Path, pipeline: Pipeline) -> None:
    drawn = list(pipeline.pictures(["owl", "red heart"], Sampling(size=16, seed=3, count=2)))
    assert [one.together for one in drawn] == [tuple(Job(p, s, s) for p in ("owl", "red heart") for s in (3, 4))] * 4
    for number, one in enumerate(drawn):
        settings = told(pipeline) | drawn_with(one.together)
        path = saved(tmp_path / f"{number}.png", one.image, one.prompt, one.seed, settings)
        assert jobs_of(origins_in(path)[0]) == list(one.together)
        assert reproduce(path).is_identical


def test_pictures_of_one_batch_are_drawn_once(
    tmp_path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = list(pipeline.pictures("owl", Sampling(size=16, seed=3, count=2)))
    paths = [
        saved(tmp_path / f"{one.seed}.png", one.image, "owl", one.seed, told(pipeline) | drawn_with(one.together))
        for one in drawn
    ]
    draws: list[int] = []
    draw = pipeline.draw

    def counted(*given: Any, **named: Any) -> torch.Tensor:
        draws.append(1)
        return draw(*given, **named)

    monkeypatch.setattr(pipeline, "draw", counted)
    kept: dict[str, torch.Tensor] = {}
    assert all(reproduced(path, lambda origin: pipeline, kept=kept).is_identical for path in paths)
    assert len(draws) == 1
    other = saved(tmp_path / "other.png", drawn[0].image, "owl", 3, told(pipeline, temperature=0.9))
    assert not reproduced(other, lambda origin: pipeline, kept=kept).is_identical
    assert len(draws) == 2


def test_one_of_a_batch_that_does_not_say_which_is_found(tmp_path: Path, pipeline: Pipeline) -> None:
    """As Save Image of ComfyUI writes it: each file says the same, and all samplers that ran."""
    images = pipeline.generate("owl", size=16, seed=3, count=3)
    settings = told(pipeline, which="any") | drawn_with([Job("owl", seed, seed) for seed in (3, 4, 5)])
    other = Origin("red heart", 1, told(pipeline))
    for number, image in enumerate(images):
        text = PngInfo()
        text.add_text("prompt", "{}")
        text.add_text(IN_ONE, json.dumps([in_one(other), in_one(Origin("owl", 3, settings))]))
        image.save(tmp_path / f"{number}.png", pnginfo=text)
        assert reproduce(tmp_path / f"{number}.png").is_identical


def test_changed_picture_is_told_by_how_much(heart: Path, pipeline: Pipeline) -> None:
    image = Image.open(heart).convert("RGB")
    red, green, blue = image.getpixel((0, 0))  # type: ignore[misc]
    image.putpixel((0, 0), (red - 40, green, blue))
    found = reproduce(saved(heart, image, "red heart", 7, told(pipeline)))
    assert not found.is_identical
    assert found.largest == 40
    assert found.mean == pytest.approx(40 / (16 * 16 * 3))
    assert found.in_words.startswith("differs by 40 of 255 at most, 0.052 in the mean; ")


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        ({"weights": {"flow": "00000000"}}, "The weights of the flow are others than those that drew it."),
        ({"torch": "1.0"}, f"torch: 1.0 when it was drawn, {torch.__version__} now."),
        ({"dtype": "float16"}, "dtype: float16 when it was drawn, float32 now."),
        ({"weights": None}, "The file does not identify the weights."),
    ],
)
def test_what_is_otherwise_now_is_told(heart: Path, pipeline: Pipeline, changed: Any, remark: str) -> None:
    saved(heart, Image.open(heart).convert("RGB"), "red heart", 7, told(pipeline, **changed))
    assert remark in reproduce(heart).remarks


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
def test_other_formats_say_it_in_their_exif_data(tmp_path: Path, heart: Path, pipeline: Pipeline, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.open(heart).save(path, exif=exif_of(Origin("red heart", 7, told(pipeline))), lossless=True)
    found = reproduce(path)
    assert found.is_identical == (suffix == ".webp")
    assert ("JPEG does not keep pixels as they are." in found.remarks) == (suffix == ".jpg")
    assert found.psnr > 15


def test_fingerprint_tells_models_apart_and_not_dtypes(pipeline: Pipeline) -> None:
    assert set(pipeline.fingerprint) == {"flow", "autoencoder", "text encoder"}
    half = model_folder.load(model_folder.EMBEDDED / "tarflow-mini", device="cpu", dtype=torch.bfloat16)
    whole = model_folder.load(model_folder.EMBEDDED / "tarflow-mini", device="cpu", dtype=torch.float32)
    assert half.fingerprint == whole.fingerprint
    assert set(half.fingerprint) == {"flow"}
    assert half.fingerprint["flow"] != pipeline.fingerprint["flow"]


# Foreign and hostile files


def test_foreign_pictures_say_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(NoOrigin, match=r"a\.png says nothing of how it was drawn"):
        reproduce(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("words")
    with pytest.raises(ValueError, match=r"b\.png cannot be read as a picture"):
        reproduce(tmp_path / "b.png")
    with pytest.raises(ValueError, match="There is no file"):
        reproduce(tmp_path / "c.png")
    with pytest.raises(ValueError, match="is a folder"):
        reproduce(tmp_path)


@pytest.mark.parametrize(
    ("seed", "settings"),
    [
        ("7", "[" * 100_000),
        ("7", "no JSON"),
        ("7", "[]"),
        ("7", "{}"),
        ("7", '{"model": 3}'),
        ("-1", '{"model": "starflow-mini"}'),
        ("9" * 5000, '{"model": "starflow-mini"}'),
        ("seven", '{"model": "starflow-mini"}'),
        ("7", '{"model": "starflow-mini", "guidance": ' + "9" * 5000 + "}"),
    ],
)
def test_texts_of_no_sense_are_no_origin(tmp_path: Path, seed: str, settings: str) -> None:
    text = PngInfo()
    for name, value in {"prompt": "owl", "seed": seed, "settings": settings}.items():
        text.add_text(name, value)
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png", pnginfo=text)
    with pytest.raises(NoOrigin):
        reproduce(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"guidance": "strong"}, "guidance is 'strong'"),
        ({"temperature": 1e9}, "temperature is 1000000000.0"),
        ({"tolerance": -1}, "a tolerance of -1"),
        ({"sampler": "magic"}, "a sampler that there is not: 'magic'"),
        ({"negative": 3}, "a negative prompt that is no text"),
        ({"denoise": "yes"}, "neither true nor false of denoise"),
        ({"batch": [{"seed": 1}] * 1000}, "not with 1 to 64"),
        ({"batch": [{"seed": "x"}]}, "has no prompt or seed"),
        ({"edit": "vary"}, r"was made of another picture \(vary\)"),
        ({"edit": ["<b>"]}, r"was made of another picture \(edit\)"),
        ({"guided": "a"}, "has a strength and no guided"),
    ],
)
def test_settings_out_of_range_are_told(heart: Path, pipeline: Pipeline, changed: Any, error: str) -> None:
    saved(heart, Image.open(heart).convert("RGB"), "red heart", 7, told(pipeline, **changed))
    with pytest.raises(ValueError, match=error):
        reproduce(heart)


@pytest.mark.parametrize("name", ["../secret", "/etc", "folder", "no-such-model"])
def test_file_opens_no_folder_by_its_word(
    heart: Path, pipeline: Pipeline, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    saved(heart, Image.open(heart).convert("RGB"), "red heart", 7, told(pipeline, model=name))
    with pytest.raises(ValueError, match="is not here; give its folder with --model"):
        reproduce(heart)
    assert reproduce(heart, pipeline).is_identical
