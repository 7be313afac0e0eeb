"""The parts around a flow in training: its autoencoder, what it is told, and the pipeline that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..codecs.autoencoder import Autoencoder
from ..codecs.classes import Classes
from ..codecs.text_encoder import TextEncoder
from ..flow.config import AnyFlowConfig
from ..flow.flow import Flow
from ..sampling import SamplingDefaults
from ..weights.model_folder import KINDS, load
from .conditions import Captions, Labels, Nothing
from .listing import Listing
from .low_rank import merged_state
from .networks import starflow_config, tarflow_config
from .pictures import Pictures
from .request import Plan

if TYPE_CHECKING:
    from ..pipeline import Pipeline

READER = "starflow-mini-128"  # whose text encoder and autoencoder are taken
DROPPED = 0.1  # share of classes and captions, for guidance
SHOWN = 8  # prompts of the samples
GUIDANCE = 1.0


@dataclass
class Task:
    """What is to be learnt.

    Attributes:
        conditions: what the flow is told of each picture.
        prompts: of the samples; "" alone for a flow without a condition.
        autoencoder: of the latents; None for a flow of pictures.
        text_encoder: of captions; None for a flow without.
        base: the model to train further; None for one to train anew.
    """

    conditions: Nothing
    prompts: list[str]
    autoencoder: Autoencoder | None = None
    text_encoder: TextEncoder | None = None
    base: Pipeline | None = None

    @classmethod
    def of(
        cls,
        plan: Plan,
        pictures: Pictures,
        listing: Listing,
        base: Pipeline | None,
        place: torch.device,
        say: Callable[[str], None],
    ) -> Task:
        """The task of a plan; what of the captions is not understood is told.

        Args:
            plan: as far as it follows from the pictures.
            pictures: to learn.
            listing: that they were read from.
            base: the model to train further, if any.
            place: device of the parts.
            say: is told.
        """
        autoencoder = encoder = None
        if plan.request.kind == "starflow":
            parts = base or load(READER, device=place, dtype=torch.float32)
            autoencoder = parts.autoencoder
            encoder = parts.text_encoder if plan.condition == "captions" or base is not None else None
        if encoder is not None:
            wanted = plan.condition == "captions"
            captions = [listing.captions[place] if wanted else "" for place in pictures.places]
            unread = sum(bool(encoder.unread(caption)) for caption in captions if caption)
            if unread:
                say(f"{unread} of {len(captions)} captions have words that the text encoder does not know.")
            shown = list(dict.fromkeys(caption for caption in captions if caption))[:SHOWN] or [""]
            return cls(Captions(captions, encoder, DROPPED), shown, autoencoder, encoder, base)
        if plan.classes:
            classes, wanted = Classes(plan.classes), plan.condition == "classes"
            labels = classes.encode([listing.labels[i] if wanted else "" for i in pictures.places]).tolist()
            return cls(Labels(labels, DROPPED), list(classes.names[:SHOWN]), autoencoder, None, base)
        return cls(Nothing(), [""], autoencoder, None, base)

    def config(self, plan: Plan) -> AnyFlowConfig:
        """The configuration of the plan's flow."""
        request = plan.request
        if self.base is not None:
            return self.base.flow.config
        if self.autoencoder is None:
            return tarflow_config(
                plan.network,
                side=plan.side,
                channels=plan.channels,
                classes=len(plan.classes),
                noise_std=request.noise,
            )
        return starflow_config(
            plan.network,
            side=plan.side // self.autoencoder.config.factor,
            channels=self.autoencoder.config.latent_channels,
            txt_size=self.text_encoder.tokens if self.text_encoder else 0,
            txt_dim=self.text_encoder.dim if self.text_encoder else 0,
            noise_std=request.noise,
        )

    def pipeline(self, flow: Flow, *, plan: Plan, name: str) -> Pipeline:
        """The pipeline of a flow in training, with the flow's own weights, without its layers for training."""
        from ..pipeline import Pipeline

        _, kind = KINDS[plan.request.kind]
        dtype = flow.dtype if self.base is None else self.base.flow.dtype
        used = kind.from_state_dict(flow.config, merged_state(flow), device=flow.device, dtype=dtype)
        told = bool(plan.classes) or self.text_encoder is not None
        defaults = SamplingDefaults(guidance=GUIDANCE if told else 0.0, denoise=flow.config.noise_std > 0)
        if self.base is not None:
            defaults = self.base.defaults
        classes = Classes(plan.classes) if plan.classes else None
        return Pipeline(used, self.autoencoder, self.text_encoder, name=name, defaults=defaults, classes=classes)
