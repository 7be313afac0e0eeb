from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from starflow_core.config import FlowConfig

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


def test_published_names_are_read() -> None:
    config = FlowConfig.from_dict(PUBLISHED)
    assert config == FlowConfig(
        in_channels=4,
        img_size=32,
        channels=3072,
        num_blocks=6,
        layers_per_block=(2, 2, 2, 2, 2, 24),
        txt_size=128,
        txt_dim=2048,
        soft_clip=4.0,
    )


@pytest.mark.parametrize("name", ["rope", "sos", "cond_top_only", "use_softplus", "use_final_norm"])
def test_switches_are_numbers_or_booleans(name: str) -> None:
    for off, on in ((0, 1), (False, True)):
        assert getattr(FlowConfig.from_dict(PUBLISHED | {name: off}), name) is False
        assert getattr(FlowConfig.from_dict(PUBLISHED | {name: on}), name) is True


def test_dict_round_trip_survives_json() -> None:
    config = FlowConfig.from_dict(PUBLISHED | {"top_block_channels": 4096, "pt_seq_len": 16, "noise_std": 0.1})
    assert FlowConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_names_are_named() -> None:
    with pytest.raises(ValueError, match=r"Unknown.*: colour, width\. Known: in_channels"):
        FlowConfig.from_dict(PUBLISHED | {"width": 3, "colour": "red"})


def test_missing_names_are_named() -> None:
    with pytest.raises(ValueError, match=r"Missing.*: in_channels, num_blocks"):
        FlowConfig.from_dict({name: PUBLISHED[name] for name in PUBLISHED.keys() - {"channel_size", "num_blocks"}})


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
        FlowConfig.from_dict(PUBLISHED | {name: value})


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
        FlowConfig.from_dict(PUBLISHED | changes)


def test_l2r_flips_even_blocks_and_r2l_odd_ones() -> None:
    config = FlowConfig.from_dict(PUBLISHED | {"num_blocks": 3, "layers_per_block": [1, 1, 1]})
    assert [config.is_flipped(block) for block in range(3)] == [True, False, True]
    reverse = dataclasses.replace(config, seq_order="R2L")
    assert [reverse.is_flipped(block) for block in range(3)] == [False, True, False]


def test_only_the_last_block_is_wider_and_sees_the_text() -> None:
    config = FlowConfig.from_dict(PUBLISHED | {"top_block_channels": 4096})
    assert [config.width(block) for block in range(6)] == [3072] * 5 + [4096]
    assert [config.sees_text(block) for block in range(6)] == [False] * 5 + [True]
    everywhere = dataclasses.replace(config, cond_top_only=False)
    assert all(everywhere.sees_text(block) for block in range(6))
    textless = dataclasses.replace(config, txt_size=0, cond_top_only=False)
    assert not any(textless.sees_text(block) for block in range(6))


def test_token_and_trained_grid_follow_the_patch() -> None:
    config = FlowConfig.from_dict(PUBLISHED | {"patch_size": 2})
    assert config.token_dim == 16
    assert config.trained_side == 16
    assert dataclasses.replace(config, pt_seq_len=20).trained_side == 20
