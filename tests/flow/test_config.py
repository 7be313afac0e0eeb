from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from starflow_core.flow.config import BlockShape, StarFlowConfig, TarFlowConfig

PUBLISHED: dict[str, Any] = {
    "channel_size": 4,
    "img_size": 32,
    "patch_size": 1,
    "channels": 3072,
    "num_blocks": 6,
    "layers_per_block": [2, 2, 2, 2, 2, 24],
    "rope": 1,
    "sos": 1,
    "txt_size": 128,
    "txt_dim": 2048,
    "cond_top_only": 1,
    "use_softplus": 1,
    "use_final_norm": 1,
    "soft_clip": 4,
    "seq_order": "L2R",
}
PUBLISHED_TARFLOW: dict[str, Any] = {
    "in_channels": 3,
    "img_size": 256,
    "patch_size": 8,
    "channels": 768,
    "num_blocks": 8,
    "layers_per_block": 8,
    "nvp": 1,
    "num_classes": 3,
}
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "starflow": (StarFlowConfig, PUBLISHED),
    "tarflow": (TarFlowConfig, PUBLISHED_TARFLOW),
}
both = pytest.mark.parametrize(("cls", "published"), KINDS.values(), ids=KINDS.keys())


def test_published_names_are_read() -> None:
    config = StarFlowConfig.from_dict(PUBLISHED)
    assert config == StarFlowConfig(
        in_channels=4,
        img_size=32,
        channels=3072,
        num_blocks=6,
        layers_per_block=(2, 2, 2, 2, 2, 24),
        txt_size=128,
        txt_dim=2048,
        soft_clip=4.0,
    )


def test_published_names_of_a_tarflow_are_read() -> None:
    config = TarFlowConfig.from_dict(PUBLISHED_TARFLOW)
    assert config == TarFlowConfig(3, 256, 8, 768, 8, 8, num_classes=3)
    assert (config.nvp, config.head_dim, config.expansion, config.noise_std) == (True, 64, 4, 0.07)


@pytest.mark.parametrize("name", ["rope", "sos", "cond_top_only", "use_softplus", "use_final_norm"])
def test_switches_are_numbers_or_booleans(name: str) -> None:
    for off, on in ((0, 1), (False, True)):
        assert getattr(StarFlowConfig.from_dict(PUBLISHED | {name: off}), name) is False
        assert getattr(StarFlowConfig.from_dict(PUBLISHED | {name: on}), name) is True


def test_nvp_is_a_number_or_a_boolean() -> None:
    for value, nvp in ((0, False), (1, True), (False, False), (True, True)):
        assert TarFlowConfig.from_dict(PUBLISHED_TARFLOW | {"nvp": value}).nvp is nvp


@both
def test_dict_round_trip_survives_json(cls: Any, published: dict[str, Any]) -> None:
    for changes in ({}, {"noise_std": 0.1, "head_dim": 32}, OTHERS[cls]):
        config = cls.from_dict(published | changes)
        assert cls.from_dict(json.loads(json.dumps(config.to_dict()))) == config


OTHERS: dict[Any, dict[str, Any]] = {
    StarFlowConfig: {"top_block_channels": 4096, "pt_seq_len": 16},
    TarFlowConfig: {"nvp": False, "noise_std": 0, "num_classes": 0},
}


@both
def test_unknown_names_are_named(cls: Any, published: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Unknown.*: colour, width\. Known: in_channels"):
        cls.from_dict(published | {"width": 3, "colour": "red"})


def test_names_of_the_other_kind_are_unknown() -> None:
    with pytest.raises(ValueError, match=r"Unknown.*: num_classes, nvp"):
        StarFlowConfig.from_dict(PUBLISHED | {"nvp": 1, "num_classes": 3})
    with pytest.raises(ValueError, match=r"Unknown.*: rope, txt_size"):
        TarFlowConfig.from_dict(PUBLISHED_TARFLOW | {"rope": 1, "txt_size": 0})


@both
def test_missing_names_are_named(cls: Any, published: dict[str, Any]) -> None:
    gone = {"channel_size", "in_channels", "num_blocks"}
    with pytest.raises(ValueError, match=r"Missing.*: in_channels, num_blocks"):
        cls.from_dict({name: value for name, value in published.items() if name not in gone})


@both
def test_channels_of_the_data_have_two_names_but_one_value(cls: Any, published: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="both channel_size and in_channels"):
        cls.from_dict(published | {"channel_size": 4, "in_channels": 4})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "3072"),
        ("channels", 3072.5),
        ("img_size", None),
        ("img_size", True),
        ("rope", 2),
        ("rope", "yes"),
        ("soft_clip", "4"),
        ("seq_order", 1),
        ("layers_per_block", 2),
        ("layers_per_block", [2, 2, 2, 2, 2, 2.5]),
    ],
)
def test_values_of_a_wrong_type_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"wrong type.*expected"):
        StarFlowConfig.from_dict(PUBLISHED | {name: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channel_size": 0}, "in_channels is 0"),
        ({"img_size": -8}, "img_size is -8"),
        ({"num_blocks": 0, "layers_per_block": []}, "num_blocks is 0"),
        ({"layers_per_block": [2, 2]}, r"layers_per_block is \[2, 2\].*6 blocks"),
        ({"layers_per_block": [2, 2, 2, 2, 2, 0]}, r"layers_per_block is \[2, 2, 2, 2, 2, 0\]"),
        ({"channels": 3000}, "Block 0 is 3000 wide.*head_dim 64"),
        ({"top_block_channels": 4000}, "Block 5 is 4000 wide.*head_dim 64"),
        ({"top_block_channels": -64}, "top_block_channels is -64"),
        ({"patch_size": 3}, "img_size 32.*patch_size 3"),
        ({"head_dim": 6}, "head_dim is 6"),
        ({"head_dim": 16}, "head_dim is 16"),
        ({"pt_seq_len": -1}, "pt_seq_len is -1"),
        ({"txt_size": -1}, "txt_size is -1"),
        ({"txt_dim": 0}, "txt_size is 128 but txt_dim is 0"),
        ({"seq_order": "l2r"}, "seq_order is 'l2r'.*L2R, R2L"),
        ({"norm_type": "rms_norm"}, "norm_type is 'rms_norm'"),
        ({"soft_clip": -1}, "soft_clip is -1"),
        ({"soft_clip": float("nan")}, "soft_clip is nan"),
        ({"noise_std": float("inf")}, "noise_std is inf"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StarFlowConfig.from_dict(PUBLISHED | changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "768"),
        ("patch_size", None),
        ("layers_per_block", [8] * 8),
        ("layers_per_block", 2.5),
        ("nvp", 2),
        ("nvp", "yes"),
        ("num_classes", True),
        ("noise_std", "0.07"),
    ],
)
def test_values_of_a_wrong_type_are_refused_in_a_tarflow(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"wrong type.*expected"):
        TarFlowConfig.from_dict(PUBLISHED_TARFLOW | {name: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 0}, "in_channels is 0"),
        ({"img_size": -8}, "img_size is -8"),
        ({"patch_size": 0}, "patch_size is 0"),
        ({"num_blocks": 0}, "num_blocks is 0"),
        ({"layers_per_block": 0}, "layers_per_block is 0"),
        ({"num_classes": -1}, "num_classes is -1"),
        ({"channels": 700}, "channels 700.*head_dim 64"),
        ({"head_dim": 0}, "head_dim is 0"),
        ({"expansion": 0}, "expansion is 0"),
        ({"patch_size": 7}, "img_size 256.*patch_size 7"),
        ({"noise_std": -0.1}, "noise_std is -0.1"),
        ({"noise_std": float("nan")}, "noise_std is nan"),
    ],
)
def test_values_out_of_range_are_refused_in_a_tarflow(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TarFlowConfig.from_dict(PUBLISHED_TARFLOW | changes)


def test_blocks_of_a_tarflow_differ_in_their_order_only() -> None:
    config = TarFlowConfig.from_dict(PUBLISHED_TARFLOW)
    blocks = [config.block(index) for index in range(8)]
    assert [block.flip for block in blocks] == [False, True] * 4
    assert [block.index for block in blocks] == list(range(8))
    assert {dataclasses.replace(block, index=0, flip=False) for block in blocks} == {
        BlockShape(
            index=0,
            token_dim=192,
            width=768,
            layers=8,
            head_dim=64,
            expansion=4,
            flip=False,
            start_token=False,
            positions=1024,
            classes=3,
            scale="exp",
        )
    }
    assert dataclasses.replace(config, nvp=False).block(0).scale == "none"
    assert dataclasses.replace(config, num_classes=0).block(0).classes == 0


def test_blocks_of_a_starflow_are_as_its_configuration_says() -> None:
    config = StarFlowConfig.from_dict(PUBLISHED | {"top_block_channels": 4096})
    first, last = config.block(0), config.block(5)
    assert (first.width, first.layers, first.text_dim, first.flip) == (3072, 2, 0, True)
    assert (last.width, last.layers, last.text_dim, last.flip) == (4096, 24, 2048, False)
    for block in (first, last):
        assert (block.token_dim, block.positions, block.classes) == (4, 0, 0)
        assert (block.start_token, block.final_norm, block.soft_clip, block.scale) == (True, True, 4.0, "softplus")
    plain = StarFlowConfig.from_dict(
        PUBLISHED | {"rope": 0, "sos": 0, "use_softplus": 0, "use_final_norm": 0, "patch_size": 2}
    ).block(0)
    assert (plain.positions, plain.start_token, plain.scale, plain.final_norm) == (256, False, "exp", False)


def test_token_of_a_tarflow_holds_a_patch_of_all_colours() -> None:
    config = TarFlowConfig.from_dict(PUBLISHED_TARFLOW)
    assert (config.token_dim, config.trained_side, config.channels_last) == (192, 32, False)


def test_l2r_flips_even_blocks_and_r2l_odd_ones() -> None:
    config = StarFlowConfig.from_dict(PUBLISHED | {"num_blocks": 3, "layers_per_block": [1, 1, 1]})
    assert [config.is_flipped(block) for block in range(3)] == [True, False, True]
    reverse = dataclasses.replace(config, seq_order="R2L")
    assert [reverse.is_flipped(block) for block in range(3)] == [False, True, False]


def test_only_the_last_block_is_wider_and_sees_the_text() -> None:
    config = StarFlowConfig.from_dict(PUBLISHED | {"top_block_channels": 4096})
    assert [config.width(block) for block in range(6)] == [3072] * 5 + [4096]
    assert [config.sees_text(block) for block in range(6)] == [False] * 5 + [True]
    everywhere = dataclasses.replace(config, cond_top_only=False)
    assert all(everywhere.sees_text(block) for block in range(6))
    textless = dataclasses.replace(config, txt_size=0, cond_top_only=False)
    assert not any(textless.sees_text(block) for block in range(6))


def test_token_and_trained_grid_follow_the_patch() -> None:
    config = StarFlowConfig.from_dict(PUBLISHED | {"patch_size": 2})
    assert config.token_dim == 16
    assert config.trained_side == 16
    assert dataclasses.replace(config, pt_seq_len=20).trained_side == 20
