"""The table of checkpoints: their parts, addresses and licences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Licence:
    """A licence; it must be accepted before a download, unless it is `open`."""

    name: str
    address: str
    summary: str
    attribution: str = ""
    open: bool = False


APACHE = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", "free to use", open=True)
MIT = Licence("MIT", "https://opensource.org/license/mit", "free to use", open=True)
AMLR = Licence(
    "apple-amlr",
    "https://huggingface.co/apple/starflow/blob/main/LICENSE_MODEL",
    "for research use only: no commercial use, and no product or service. Copies, converted ones included, may be "
    "passed on only with this licence, its attribution and a word on what was changed.",
    "Apple Machine Learning Research Model is licensed under the Apple Machine Learning Research Model License "
    "Agreement.",
)


@dataclass(frozen=True)
class RemoteFile:
    """One file on a server.

    Attributes:
        name: of the file in its repository.
        target: its path in the model folder; empty for a file to convert.
        size: in bytes; 0 where unknown.
        sha256: of its bytes; None to use the server's.
        is_converted: it is a published flow, to be converted.
    """

    name: str
    target: str = ""
    size: int = 0
    sha256: str | None = None
    is_converted: bool = False


@dataclass(frozen=True)
class Part:
    """Files of one repository on the Hub, or of one address.

    Attributes:
        repository: `owner/name` on the Hub; empty for plain addresses.
        revision: commit, branch or tag; a branch is turned into its commit at the first download, and recorded.
        address: the URL in front of the files' names, if they are not on the Hub.
    """

    files: tuple[RemoteFile, ...]
    licence: Licence
    repository: str = ""
    revision: str = "main"
    address: str = ""

    @property
    def source(self) -> str:
        """Its origin, as text."""
        return self.repository or self.address


@dataclass(frozen=True)
class Checkpoint:
    """A model that can be fetched.

    Attributes:
        name: of the checkpoint.
        title: a description in one line.
        parts: its files.
        noise_std: of the Gaussian noise on its data in training.
        guidance: of its authors.
        classes: its classes, as `Classes` takes them.
        parameters: of the flow, the largest part in memory; two or four bytes each.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    noise_std: float = 0.0
    guidance: float = 0.0
    classes: tuple[str, ...] = ()
    parameters: int = 0

    @property
    def converted_size(self) -> int:
        """Size of the converted flow in bfloat16, in bytes."""
        return 2 * self.parameters

    @property
    def download_size(self) -> int:
        """Size of all files, in bytes, as far as known."""
        return sum(file.size for part in self.parts for file in part.files)

    @property
    def licences(self) -> tuple[Licence, ...]:
        """Of all parts, each once, in order."""
        return tuple(dict.fromkeys(part.licence for part in self.parts))


AFHQ_CLASSES = ("cat", "dog", "wild")

_FLAN_T5_XL = Part(
    (
        RemoteFile("model.safetensors", "text_encoder/model.safetensors", 2_580_000_000),
        RemoteFile("config.json", "text_encoder/config.json", 1_530),
        RemoteFile("tokenizer.json", "tokenizer/tokenizer.json", 2_420_000),
        RemoteFile("tokenizer_config.json", "tokenizer/tokenizer_config.json", 2_500),
        RemoteFile("special_tokens_map.json", "tokenizer/special_tokens_map.json", 2_200),
    ),
    APACHE,
    "Kijai/flan-t5-xl-encoder-only-bf16",
)
_SD_VAE = Part(
    (
        RemoteFile("diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors", 334_643_276),
        RemoteFile("config.json", "vae/config.json", 547),
    ),
    MIT,
    "stabilityai/sd-vae-ft-ema",
)

# TarFlows that others have trained with the published code. The names say patch, width, blocks, layers and noise.
_RETRAINED = "encoreus/Transformer_Autoregressive_Flow"


def _retrained(file: str, size: int) -> tuple[Part]:
    return (Part((RemoteFile(file, size=size, is_converted=True),), APACHE, _RETRAINED),)


def imagenet_classes() -> tuple[str, ...]:
    """The thousand classes of ImageNet in the usual order, with other spellings as in WordNet."""
    return tuple((Path(__file__).parent / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines())


CHECKPOINTS = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Checkpoint(
            name="starflow-3b",
            title="Apple's STARFlow of 3.9 billion parameters: pictures of 256×256 pixels from text",
            parts=(
                Part(
                    (RemoteFile("starflow_3B_t2i_256x256.pth", size=15_500_000_000, is_converted=True),),
                    AMLR,
                    "apple/starflow",
                ),
                _FLAN_T5_XL,
                _SD_VAE,
            ),
            noise_std=0.3,
            guidance=3.6,
            parameters=3_858_281_544,
        ),
        Checkpoint(
            name="tarflow-afhq256",
            title="Apple's TarFlow of 463 million parameters: cats, dogs and wild animals of 256×256 pixels",
            parts=(
                Part(
                    (RemoteFile("afhq_model_8_768_8_8_0.07.pth", size=1_900_000_000, is_converted=True),),
                    AMLR,
                    address="https://ml-site.cdn-apple.com/models/tarflow/afhq256/",
                ),
            ),
            noise_std=0.07,
            classes=AFHQ_CLASSES,
            parameters=463_481_856,
        ),
        Checkpoint(
            name="tarflow-afhq256-retrained",
            title="a TarFlow of 463 million parameters, trained by others: cats, dogs and wild animals, 256×256 pixels",
            parts=_retrained("afhq_model_8_768_8_8_0.07.pth", 1_890_000_000),
            noise_std=0.07,
            classes=AFHQ_CLASSES,
            parameters=463_481_856,
        ),
        Checkpoint(
            name="tarflow-imagenet128",
            title="a TarFlow of 824 million parameters, trained by others: 1,000 classes of things, 128×128 pixels",
            parts=_retrained("imagenet_model_4_1024_8_8_0.15.pth", 3_330_000_000),
            noise_std=0.15,
            classes=imagenet_classes(),
            parameters=823_927_552,
        ),
        Checkpoint(
            name="tarflow-imagenet64",
            title="a TarFlow of 466 million parameters, trained by others: 1,000 classes of things, 64×64 pixels",
            parts=_retrained("imagenet_model_2_768_8_8_0.05.pth", 1_900_000_000),
            noise_std=0.05,
            classes=imagenet_classes(),
            parameters=466_286_784,
        ),
        Checkpoint(
            name="tarflow-imagenet64-wide",
            title="a TarFlow of 818 million parameters, trained by others: 1,000 classes of things, 64×64 pixels",
            parts=_retrained("imagenet_model_4_1024_8_8_0.05.pth", 3_270_000_000),
            noise_std=0.05,
            classes=imagenet_classes(),
            parameters=817_636_096,
        ),
        Checkpoint(
            name="tarflow-imagenet64-unconditional",
            title="a TarFlow of 460 million parameters, trained by others: things of all kinds, 64×64 pixels",
            parts=_retrained("imagenet64_model_2_768_8_8_0.05.pth", 1_870_000_000),
            noise_std=0.05,
            parameters=460_142_784,
        ),
    )
}
