"""Figures of the embedded model that takes prompts, onto its card: `python -m recipes.evaluate`.

Every figure but the time comes with the half width of its 95 % confidence interval. The network of judge.py judges the
drawn pictures.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from starflow_core.flow.noise import seeded_noise
from starflow_core.insight.likelihood import bits_per_dim
from starflow_core.insight.scoring import log_probs
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load

from . import autoencoder, data, judge
from .config import Config, arguments
from .figures import Figure, table, write
from .flow import latents_of
from .judge import Judge
from .pictures.captions import SPOKEN_STYLES
from .pictures.colours import HUES
from .pixels import as_tensor
from .prompts import PEOPLES

PICTURES = 200  # of each kind for likelihoods
NAMES, PAIRS = 500, 150
CANDIDATES = (10, 100)
MATCHED = 100  # pictures whose caption is searched for
PROMPTS, SEEDS = 24, 8
TIMED = 9
AT_ONCE = 50  # pictures or prompts in one pass of the flow


@dataclass(frozen=True)
class Evaluation:
    """A model, with its training pictures and its held-out pictures.

    Attributes:
        pipeline: the model.
        pictures: all pictures.
        judge: the judge of drawn pictures.
        sampling: arguments of `Pipeline.generate` that override the defaults.
    """

    pipeline: Pipeline
    pictures: data.Data
    judge: Judge
    sampling: dict[str, Any]

    @classmethod
    def of(cls, config: Config, pipeline: Pipeline) -> Evaluation:
        return cls(pipeline, data.load(config), judge.load(config), {})

    def with_sampling(self, **sampling: Any) -> Evaluation:
        return replace(self, sampling=sampling)

    def figures(self) -> Iterator[Figure]:
        """Yield all figures, each as soon as it is measured."""
        kinds = {
            "training pictures": self.pictures.trained,
            "held-out pictures of trained names": self.pictures.unseen,
            "pictures of held-out names": self.pictures.unknown,
        }
        for what, every in kinds.items():
            places = data.some(every, PICTURES)
            if not len(places):
                continue
            yield Figure.mean(f"autoencoder, PSNR, {len(places)} {what}", self.psnr(places), "dB")
            named = [row.name for row in self.pictures.rows(places)]
            yield Figure.mean(f"flow given the name, {len(places)} {what}", self.bits(places, named), "bits/dim")
            yield Figure.mean(
                f"flow given nothing, {len(places)} {what}", self.bits(places, [""] * len(places)), "bits/dim"
            )
            for candidates in CANDIDATES:
                yield self.caption_found(places[:MATCHED], candidates, what)
        yield from self.recall(self.trained_names[:NAMES], "names")
        yield from self.held_out_pairs()
        yield from self.recall(PEOPLES, "prompts as people type them")
        yield self.diversity()
        yield Figure(f"time a picture, {torch.get_num_threads()} threads", self.seconds_a_picture(), None, "s")

    @cached_property
    def trained_names(self) -> list[str]:
        """Names of training pictures, in a random order that is always the same."""
        names = sorted({row.name for row in self.pictures.rows(self.pictures.trained) if not row.attributes})
        random.Random(0).shuffle(names)
        return names

    def psnr(self, places: np.ndarray) -> list[float]:
        """Return the PSNR of each picture after encoding and decoding, in dB."""
        model = self.pipeline.autoencoder
        assert model is not None
        return [autoencoder.psnr(model, as_tensor(image[None])) for image in self.pictures.images(places)]

    def bits(self, places: np.ndarray, texts: Sequence[str]) -> list[float]:
        """Bits per dimension of each picture's noised latents given its text."""
        latents = self._noised(places)
        return [bits_per_dim(log_prob, latents[0].numel()) for log_prob in self._log_probs(latents, texts)]

    def caption_found(self, places: np.ndarray, candidates: int, what: str) -> Figure:
        """Measure how often log p(x | text) − log p(x) is larger for a picture's own name than for other names.

        log p(x) is the same for all texts, so log p(x | text) decides.
        """
        latents = self._noised(places)
        rows = self.pictures.rows(places)
        found = []
        for row, latent in zip(tqdm(rows, desc=f"1 of {candidates}", disable=None, leave=False), latents, strict=True):
            others = [name for name in self.trained_names if name != row.name]
            texts = [row.name, *random.Random(row.id).sample(others, min(candidates - 1, len(others)))]
            features = torch.stack([self._features(text) for text in texts])
            found.append(int(log_probs(self.pipeline.flow, latent[None], features, None).log_prob[0].argmax()) == 0)
        return Figure.share(f"right caption among {candidates}, {len(places)} {what}", found)

    def recall(self, prompts: Sequence[str], what: str) -> Iterator[Figure]:
        """Measure how often the judge finds the prompt of a drawn picture among all prompts; one seed per prompt."""
        ranks = self.judge.ranks(self._drawn(prompts), prompts, range(len(prompts)))
        for k in (1, 5):
            yield Figure.share(f"recall@{k} of {len(prompts)} {what}", [rank < k for rank in ranks])

    def held_out_pairs(self) -> Iterator[Figure]:
        """Measure how often drawings of held-out pairs show the right colour or style, and how often the right name."""
        out = self.pictures.held_out
        known = {row.name for row in self.pictures.rows(self.pictures.trained)}
        spoken = {style: words[0] for style, words in SPOKEN_STYLES.items()}
        kinds = {
            "colour": ([(name, hue) for name, hues in sorted(out.colours.items()) for hue in sorted(hues)], list(HUES)),
            "style": (
                [(name, spoken[style]) for name, styles in sorted(out.styles.items()) for style in sorted(styles)],
                list(spoken.values()),
            ),
        }
        for kind, (pairs, choices) in kinds.items():
            pairs = [(name, word) for name, word in pairs if name in known and word in choices]
            pairs = random.Random(0).sample(pairs, min(PAIRS, len(pairs)))
            if not pairs:
                continue
            prompts = [f"{word} {name}" if kind == "colour" else f"{name} {word}" for name, word in pairs]
            drawn = self._drawn(prompts)
            right = [choices.index(word) for _, word in pairs]
            ranks = [
                self.judge.ranks(
                    [picture], [f"{word} {name}" if kind == "colour" else f"{name} {word}" for word in choices], [place]
                )[0]
                for picture, (name, _), place in zip(drawn, pairs, right, strict=True)
            ]
            yield Figure.share(
                f"{kind} right, of {len(pairs)} held-out pairs of name and {kind}", [rank == 0 for rank in ranks]
            )
            names = [name for name, _ in pairs]
            subjects = self.judge.ranks(drawn, names, range(len(names)))
            yield Figure.share(f"subject right, recall@5, of the same pairs of {kind}", [rank < 5 for rank in subjects])

    def diversity(self, prompts: Sequence[str] = PEOPLES) -> Figure:
        """Mean distance between pictures of the same prompt, as a share of the distance between prompts."""
        prompts = prompts[:PROMPTS]
        drawn = self.judge.features(self._drawn(prompts, count=SEEDS)).unflatten(0, (len(prompts), SEEDS))
        between = float(torch.pdist(drawn[:, 0]).mean())
        # If a model draws the same picture for every prompt, all distances are zero.
        within = [float(torch.pdist(pictures).mean()) / between if between else 0.0 for pictures in drawn]
        return Figure.mean(
            f"distance between {SEEDS} seeds of a prompt, as a share of that between prompts", within, ""
        )

    def seconds_a_picture(self) -> float:
        """Median time of one picture."""
        times = []
        for seed in range(TIMED):
            start = time.perf_counter()
            self.pipeline.generate("red heart", seed=seed, **self.sampling)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def _drawn(self, prompts: Sequence[str], count: int = 1) -> list[Image.Image]:
        """Draw pictures of each prompt, with seeds 0, 1, …"""
        drawn: list[Image.Image] = []
        for first in tqdm(range(0, len(prompts), AT_ONCE), desc="drawn", disable=None, leave=False):
            drawn += self.pipeline.generate(prompts[first : first + AT_ONCE], count=count, seed=0, **self.sampling)
        return drawn

    def _noised(self, places: np.ndarray) -> Tensor:
        """Return latents (n, C, h, w) with training noise, which is always the same."""
        assert self.pipeline.autoencoder is not None
        latents = latents_of(self.pipeline.autoencoder, self.pictures.images(places))
        return latents + self.pipeline.flow.config.noise_std * seeded_noise(latents.shape[1:], 0, len(latents)).to(
            latents
        )

    @torch.no_grad()
    def _log_probs(self, latents: Tensor, texts: Sequence[str]) -> list[float]:
        """log p(x | text) of each pair, in nats."""
        values: list[float] = []
        for first in range(0, len(texts), AT_ONCE):
            given = torch.stack([self._features(text) for text in texts[first : first + AT_ONCE]])
            values += self.pipeline.flow(latents[first : first + AT_ONCE], given).log_prob.tolist()
        return values

    def _features(self, text: str) -> Tensor:
        """Return the features of a text; each text is encoded once, since many pictures are matched with it."""
        if text not in self._known_features:
            encoded = self.pipeline.condition([text])
            assert encoded is not None
            self._known_features[text] = encoded[0]
        return self._known_features[text]

    @cached_property
    def _known_features(self) -> dict[str, Tensor]:
        return {}


def main() -> None:
    config = arguments(__doc__).config
    folder = config.models / config.model
    figures = []
    for figure in Evaluation.of(config, load(folder)).figures():
        print(f"{figure.what}: {figure}", flush=True)
        figures.append(figure)
    write(table(figures), folder / "README.md")


if __name__ == "__main__":
    main()
