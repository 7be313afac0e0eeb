"""Models as folders in the Hub's layout: read, with clear errors, and written.

config.json                 {"model_type": "starflow" or "tarflow", "flow": {…}, "sampling": {…}, "classes": […],
                            "quantization": "int8"} where the weights are of a format of few bits
model.safetensors           or shards, with model.safetensors.index.json
text_encoder/, tokenizer/   as transformers writes them; of a flow that reads text
vae/                        as diffusers writes it; of a flow of latents. Its weights may be those of an embedded
                            model, which "vae_weights" in config.json then names
reference.json              likelihoods of known pictures, which others are compared with; may be missing
README.md                   the model card, with the licence
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import operations as casting
from ..codecs.autoencoder import Autoencoder, AutoencoderConfig
from ..codecs.classes import Classes
from ..codecs.text_encoder import TextEncoder
from ..flow.config import AnyFlowConfig, StarFlowConfig, TarFlowConfig
from ..flow.flow import Flow
from ..flow.precision import bfloat16_is_faster
from ..flow.starflow import StarFlow
from ..flow.tarflow import TarFlow
from ..insight import reference
from ..insight.reference import Reference
from ..progress import OnProgress, part_of
from ..quantization.formats import FORMATS, format_of, quantized_parts
from ..sampling import SamplingDefaults
from .precision import Kept, Precision, chosen_precisions
from .tensors import check_weights, read_json, read_weights, save_tensors, shards

if TYPE_CHECKING:
    from ..pipeline import Pipeline

EMBEDDED = Path(__file__).parent.parent / "models"
DEFAULT_MODEL = "starflow-mini"
KINDS: dict[str, tuple[Any, type[StarFlow] | type[TarFlow]]] = {
    "starflow": (StarFlowConfig, StarFlow),
    "tarflow": (TarFlowConfig, TarFlow),
}
WEIGHTS = "model.safetensors"
VAE_WEIGHTS = "diffusion_pytorch_model.safetensors"
BIG_FLOW, BIG_TEXT_ENCODER = 4e9, 1e9  # bytes


def embedded_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in EMBEDDED.glob("*/config.json"))


def model_folder(name_or_folder: str | Path) -> Path:
    """The folder of a model: embedded, given as a folder, or fetched.

    Raises:
        ValueError: there is no such model and no such folder.
    """
    from .store import fetched, find
    from .table import CHECKPOINTS

    name = str(name_or_folder)
    if name in embedded_models():
        return EMBEDDED / name
    if Path(name).is_dir():
        return Path(name)
    if found := find(name):
        return found
    if name in CHECKPOINTS:
        raise ValueError(f"The model {name} is not on this machine yet; bring it here with: starflow fetch {name}")
    known = ", ".join([*embedded_models(), *(stored.name for stored in fetched())])
    raise ValueError(f"There is no model {name!r}: it is no folder, and the models known are {known}.")


@torch.inference_mode(False)  # not in inference mode, whose tensors cannot take part in a gradient later
def load(
    name_or_folder: str | Path = DEFAULT_MODEL,
    *,
    device: torch.device | str | None = None,
    dtype: Precision | Mapping[str, Precision] | None = None,
    keep_text_encoder: bool | None = None,
    operations: Any = casting,
    on_progress: OnProgress = lambda done, total: None,
) -> Pipeline:
    """A pipeline from a model folder or the name of an embedded model.

    Args:
        name_or_folder: `starflow-mini`, `tarflow-mini`, or a folder in this module's layout.
        device: `cuda`, `mps` or `cpu`; the best available one by default.
        dtype: of the flow and the text encoder; by default bfloat16 on NVIDIA cards from Ampere on, and where weights
            are over 4 GB; float32 elsewhere. The autoencoder is float32, and so is a flow of dequantised pictures
            by default: bfloat16 cannot separate their steps. Or `int8`, `int4` or `fp8`, in which the weights of large
            layers are kept: they compute in bfloat16 where that is fast, and a text encoder beside an `int4` flow is
            `int8`. Or one per part, by name: `flow`, `text_encoder`, `autoencoder`.
        keep_text_encoder: keep it in memory after encoding; by default, if it is below 1 GB.
        operations: namespace that Linear, LayerNorm, Conv2d, GroupNorm and Embedding of the parts are taken from; by
            default, layers that cast their weights at use.
        on_progress: called with the bytes read, of all bytes of weights; an exception that it raises ends the loading.

    Raises:
        ValueError: the model, the device or the format does not exist, the folder is damaged, or its weights are of
            another format of few bits already.
    """
    from ..pipeline import Pipeline

    folder = model_folder(name_or_folder)
    device = checked_device(device)
    config = read_config(folder)
    defaults = _in_folder(folder, SamplingDefaults.from_dict, config.get("sampling", {}))
    known = Reference.load(folder)
    _, kind = KINDS[config["model_type"]]
    flow_config = read_flow_config(folder)
    precisions = _precisions(dtype, folder, device)
    if keep_text_encoder is None:
        keep_text_encoder = size_of_weights(folder / "text_encoder") < BIG_TEXT_ENCODER
    place: dict[str, Any] = {"device": device, "operations": operations}
    vae_weights = _vae_weights(folder, config)
    sizes = [size_of_weights(vae_weights, VAE_WEIGHTS), size_of_weights(folder / "text_encoder")]
    total = sum(sizes) + size_of_weights(folder)
    autoencoder = text_encoder = None
    if kind.data == "latents":
        autoencoder = _load_autoencoder(folder / "vae", vae_weights, dtype=precisions["autoencoder"].dtype, **place)
    on_progress(sizes[0], total)
    if tokens := flow_config.txt_size:
        text_encoder = _load_text_encoder(folder, tokens, **precisions["text_encoder"]._asdict(), **place)
    on_progress(sum(sizes), total)
    classes = _in_folder(folder, Classes, tuple(config["classes"])) if "classes" in config else None
    weights = read_weights(folder, WEIGHTS, part_of(on_progress, sum(sizes), total))
    flow: Flow = _in_folder(folder, kind.from_state_dict, flow_config, weights, **precisions["flow"]._asdict(), **place)
    on_progress(total, total)
    more = {"keep_text_encoder": keep_text_encoder, "reference": _fitting(known, flow)}
    names = {"name": folder.name, "defaults": defaults, "classes": classes}
    return _in_folder(folder, Pipeline, flow, autoencoder, text_encoder, **more, **names)


def save(pipeline: Pipeline, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
    """Write a pipeline as a model folder that `load` reads, all but its README.

    Args:
        pipeline: what to save.
        folder: created if it does not exist; files of the same names are replaced.
        dtype: of the weights on disk; by default unchanged, which saves the model exactly. bfloat16 halves the size of
            float32, and costs a flow of 8-bit pictures about 0.01 bits per dimension. Weights of a format of few bits
            stay as they are.
    """
    folder = Path(folder)
    flow, autoencoder, text_encoder = pipeline.flow, pipeline.autoencoder, pipeline.text_encoder
    folder.mkdir(parents=True, exist_ok=True)
    model_type = next(name for name, (_, kind) in KINDS.items() if isinstance(flow, kind))
    classes = pipeline.classes.entries if pipeline.classes is not None else ()
    write_config(folder, model_type, flow.config, pipeline.defaults, classes, format_of(flow))
    save_tensors(_stored(flow, dtype), folder / WEIGHTS)
    if autoencoder is not None:
        (folder / "vae").mkdir(exist_ok=True)
        (folder / "vae" / "config.json").write_text(json.dumps(autoencoder.config.to_dict(), indent=2) + "\n")
        save_tensors(_stored(autoencoder, dtype), folder / "vae" / VAE_WEIGHTS)
    if text_encoder is not None:
        text_encoder.save(folder / "text_encoder", folder / "tokenizer", dtype=dtype)
    if known := _fitting(pipeline.reference, flow):
        known.save(folder)
    else:
        (folder / reference.FILE).unlink(missing_ok=True)  # one of another model


def write_config(
    folder: Path,
    model_type: str,
    flow: AnyFlowConfig,
    defaults: SamplingDefaults,
    classes: Sequence[str],
    weight_format: str | None = None,
) -> None:
    """Write the folder's `config.json`."""
    sampling = {name: value for name, value in dataclasses.asdict(defaults).items() if value is not None}
    config: dict[str, Any] = {"model_type": model_type, "flow": flow.to_dict(), "sampling": sampling}
    if classes:
        config["classes"] = list(classes)
    if weight_format is not None:
        config["quantization"] = weight_format
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's `config.json`, with parts of the right types.

    Raises:
        ValueError: it is missing, is not JSON, or is not of a STARFlow or TarFlow model.
    """
    config = read_json(folder, "config.json")
    if config.get("model_type") not in KINDS:
        kind = config.get("model_type") or config.get("_class_name") or "something else"
        raise ValueError(f"{folder} holds a model of type {kind!r}; known are {', '.join(KINDS)}.")
    for part in ("flow", "sampling"):
        if not isinstance(config.get(part, {}), dict):
            raise ValueError(f"{folder / 'config.json'}: {part!r} must be an object.")
    if not isinstance(config.get("classes", []), list):
        raise ValueError(f"{folder / 'config.json'}: 'classes' must be a list of names.")
    if "flow" not in config:
        raise ValueError(f"{folder / 'config.json'} lacks 'flow', the configuration of the flow.")
    if config.get("quantization") not in (None, *FORMATS):
        known = ", ".join(FORMATS)
        raise ValueError(f"{folder / 'config.json'}: 'quantization' is {config['quantization']!r}; known are {known}.")
    return config


def read_flow_config(folder: Path) -> StarFlowConfig | TarFlowConfig:
    """The configuration of the folder's flow.

    Raises:
        ValueError: the folder's `config.json` is missing or wrong.
    """
    config = read_config(folder)
    make_config, _ = KINDS[config["model_type"]]
    flow_config: StarFlowConfig | TarFlowConfig = _in_folder(folder, make_config.from_dict, config["flow"])
    return flow_config


def size_of_weights(folder: Path, file: str = WEIGHTS) -> int:
    """Of the weights in a folder, in bytes, in one file or in shards."""
    return sum(shard.stat().st_size for shard in shards(folder, file) if shard.is_file())


def checked_device(device: torch.device | str | None) -> torch.device:
    """The requested device, or the best available one.

    Raises:
        ValueError: this machine has no such device.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if device is None:
        return torch.device(available[0])
    try:
        chosen = torch.device(device)
    except RuntimeError:
        known = ", ".join(available)
        raise ValueError(f"There is no kind of device called {device!r}; available here: {known}.") from None
    if chosen.type not in available or (chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()):
        raise ValueError(f"The device {device} is not available here; available are: {', '.join(available)}.")
    return chosen


def default_dtypes(folder: Path, device: torch.device) -> dict[str, torch.dtype]:
    """The dtype of each part on a device, as `load` chooses it.

    Raises:
        ValueError: the folder's `config.json` is missing or wrong.
    """
    return {part: kept.dtype for part, kept in _precisions(None, folder, device).items()}


def _precisions(
    asked: Precision | Mapping[str, Precision] | None, folder: Path, device: torch.device
) -> dict[str, Kept]:
    """The precision of each part: the chosen one, or one that suits the device and the size of the weights."""
    dequantized, stored = read_flow_config(folder).noise_std == 0, read_config(folder).get("quantization")
    is_short = bfloat16_is_faster(device.type) and (device.type == "cuda" or stored is not None)
    is_short = is_short or size_of_weights(folder) > BIG_FLOW
    suits = torch.bfloat16 if is_short and not dequantized else torch.float32
    return chosen_precisions(asked, suits, device, dequantized=dequantized)


def _fitting(known: Reference | None, flow: Flow) -> Reference | None:
    """A reference; None where it was measured with other weights, as before a flow was trained further."""
    return known if known is not None and known.fits(flow) else None


def _vae_weights(folder: Path, config: Mapping[str, Any]) -> Path:
    """The folder of the VAE's weights: the model's own, or that of the embedded model whose weights it shares.

    Raises:
        ValueError: there is no such embedded model.
    """
    shared = config.get("vae_weights")
    if shared is None:
        return folder / "vae"
    if shared not in embedded_models():
        raise ValueError(
            f"{folder / 'config.json'} takes its VAE's weights from {shared!r}, which is no embedded model."
        )
    return EMBEDDED / shared / "vae"


def _load_autoencoder(folder: Path, of_weights: Path, **how: Any) -> Autoencoder:
    config = _in_folder(folder, AutoencoderConfig.from_dict, read_json(folder, "config.json"))
    weights = read_weights(of_weights, VAE_WEIGHTS)
    return _in_folder(folder, Autoencoder.from_state_dict, config, weights, **how)


def _load_text_encoder(folder: Path, tokens: int, **how: Any) -> TextEncoder:
    for part, file in (("text_encoder", "config.json"), ("tokenizer", "tokenizer.json")):
        if not (folder / part / file).is_file():
            raise ValueError(f"{folder} lacks {part}/{file}; fetch the model again, or copy the file there.")
    check_weights(folder / "text_encoder", WEIGHTS)
    return TextEncoder.from_folders(folder / "text_encoder", folder / "tokenizer", tokens=tokens, **how)


def _in_folder(folder: Path, build: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function; its errors name the folder."""
    try:
        return build(*args, **kwargs)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _stored(module: torch.nn.Module, dtype: torch.dtype | None) -> dict[str, Tensor]:
    weights = module.state_dict()
    few_bits = quantized_parts(weights)
    return {
        name: tensor.detach().to("cpu", None if name in few_bits else dtype).contiguous()
        for name, tensor in weights.items()
    }
