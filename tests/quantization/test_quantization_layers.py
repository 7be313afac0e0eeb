from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import randn
from torch import Tensor

from starflow_core.quantization import groups, rows
from starflow_core.quantization.formats import FORMATS
from starflow_core.quantization.groups import Int4Linear
from starflow_core.quantization.layer import QuantizedLinear
from starflow_core.quantization.rows import Int8Linear

OUT, IN = 48, 128
# Relative errors of the rounding of normal numbers: half a step of 2·max/254, of 2⁻⁴ of a number, and of a fifteenth of
# a group's range, uniform within it.
LARGEST_ERROR = {"int8": 0.01, "fp8": 0.03, "int4": 0.1}


def of(name: str, weight: Tensor, bias: Tensor | None = None) -> QuantizedLinear:
    layer = FORMATS[name](weight.shape[1], weight.shape[0], bias is not None)
    tensors = FORMATS[name].quantize(weight) | ({} if bias is None else {"bias": bias})
    layer.load_state_dict(tensors, strict=True)
    return layer


@pytest.mark.parametrize("name", FORMATS)
def test_weights_come_back_to_within_their_rounding(name: str) -> None:
    weight = randn(OUT, IN)
    back = of(name, weight).dequantized(weight)
    error = float((back - weight).norm() / weight.norm())
    assert 0.2 * LARGEST_ERROR[name] < error < LARGEST_ERROR[name]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 5, 200])
def test_product_is_that_with_the_dequantized_weight(name: str, dtype: torch.dtype, count: int) -> None:
    weight, bias, x = randn(OUT, IN), randn(OUT, seed=1), randn(2, count, IN, seed=2)
    layer = of(name, weight, bias).to(dtype)
    y = layer(x.to(dtype))
    assert y.shape == (2, count, OUT)
    assert y.dtype == dtype
    expected = F.linear(x.to(dtype).float(), layer.dequantized(x), bias.to(dtype).float())
    assert float((y.float() - expected).norm() / expected.norm()) < (1e-5 if dtype == torch.float32 else 8e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("name", "kernel", "limits"),
    [
        ("int8", "_weight_int8pack_mm", rows.KERNEL_ROWS),
        ("int4", "_weight_int4pack_mm_for_cpu", groups.KERNEL_ROWS),
    ],
)
def test_kernel_is_used_for_few_rows_only(
    name: str, kernel: str, limits: dict[torch.dtype, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = of(name, randn(OUT, IN))
    used: list[int] = []
    original = getattr(torch.ops.aten, kernel)

    def watched(x: Tensor, *others: Any) -> Any:
        used.append(len(x))
        return original(x, *others)

    monkeypatch.setattr(torch.ops.aten, kernel, watched)
    limit = limits[dtype]
    for count in (1, limit, limit + 1):
        layer(randn(count, IN).to(dtype))
    assert used == [1, limit]


@pytest.mark.parametrize("name", FORMATS)
def test_gradient_goes_through_to_the_data(name: str) -> None:
    layer = of(name, randn(OUT, IN))
    x = randn(3, IN).requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, layer.dequantized(x).sum(0).expand(3, IN), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_another_dtype_changes_no_stored_number(name: str) -> None:
    layer = of(name, randn(OUT, IN), randn(OUT))
    before = {key: tensor.clone() for key, tensor in layer.state_dict().items()}
    after = layer.to(torch.bfloat16).state_dict()
    assert after["bias"].dtype == torch.bfloat16
    for key in before.keys() - {"bias"}:
        assert after[key].dtype == before[key].dtype
        assert torch.equal(after[key].float(), before[key].float())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("weight", [torch.zeros(OUT, IN), torch.full((OUT, IN), -3.0), 1e-9 * randn(OUT, IN)])
def test_odd_weights_stay_finite(name: str, weight: Tensor) -> None:
    layer = of(name, weight)
    assert float((layer.dequantized(weight) - weight).abs().max()) <= 1e-2 * max(1e-2, float(weight.abs().max()))
    assert layer(randn(2, IN)).isfinite().all()


def test_no_rows_give_no_rows() -> None:
    assert of("int8", randn(OUT, IN))(torch.empty(0, IN)).shape == (0, OUT)


def test_scales_of_least_error_beat_the_plain_range(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = randn(OUT, IN)
    error = float((of("int4", weight).dequantized(weight) - weight).norm())
    monkeypatch.setattr(groups, "RANGES", (1.0,))
    monkeypatch.setattr(groups, "FITS", 0)
    plain = float((of("int4", weight).dequantized(weight) - weight).norm())
    assert error < 0.95 * plain


def test_two_codes_share_a_byte_low_half_first() -> None:
    weight = torch.arange(16.0).repeat(1, 4)  # 64 numbers that 4 bits hold exactly
    stored = Int4Linear.quantize(weight)
    assert stored["weight"][0, :3].tolist() == [0x10, 0x32, 0x54]
    assert torch.equal(of("int4", weight).dequantized(weight), weight)


def test_int8_scale_is_that_of_the_largest_weight_of_a_row() -> None:
    stored = Int8Linear.quantize(torch.tensor([[0.5, -1.27], [0.0, 254.0]]))
    assert stored["weight"].tolist() == [[50, -127], [0, 127]]
    torch.testing.assert_close(stored["weight_scale"], torch.tensor([0.01, 2.0]))


def test_kernels_order_of_the_weight_is_forgotten_when_it_moves() -> None:
    layer = of("int4", randn(OUT, IN))
    x = randn(1, IN)
    before = layer(x)
    layer.load_state_dict(layer.state_dict())
    layer.to(torch.bfloat16)
    torch.testing.assert_close(layer(x), before)
