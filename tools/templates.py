"""What the example graphs say for themselves: groups, notes, colours, and the captions of their thumbnails.

The graphs themselves stand in `tests/data/workflows`, in the API's form; nodes are named here as there.
"""

from __future__ import annotations

from dataclasses import dataclass

SD15 = "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive"
GREEN, RED, VIOLET, BLUE = "green", "red", "purple", "blue"  # of nodes, as the front end calls them
FLOW, RESULT, OTHER = "#9b83e6", "#5aa0d0", "#c9a256"  # of groups


@dataclass(frozen=True)
class Group:
    """Nodes in a frame, one below the other, in as many columns as there are tuples, under a note."""

    title: str
    columns: tuple[tuple[str, ...], ...]
    note: str
    colour: str = FLOW


@dataclass(frozen=True)
class Frame:
    """A picture of a thumbnail: the `index`-th that a node showed, and the words below it."""

    node: str
    caption: str
    index: int = 0


@dataclass(frozen=True)
class Template:
    """An example graph: rows of groups, from left to right, and what its thumbnail shows."""

    title: str
    rows: tuple[tuple[Group, ...], ...]
    frames: tuple[Frame, ...]


START = (
    "**1.** A model, its text encoder and its VAE. **starflow-mini** comes with the pack and works at once: press "
    "**Run**.\n\nOther models are in the list; they are fetched when they first run."
)

DRAWING = (
    "**2.** Write what you want. The second prompt, which may stay empty, says what to steer away from.\n\n**3.** "
    "The sampler turns noise of the seed into latents, all places at once. *guidance* -1 and *temperature* -1 are "
    "the model's own."
)

TEMPLATES = {
    "text_to_image": Template(
        "words to pictures",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group("2, 3 · Draw", (("2", "3"), ("4",)), DRAWING),
                Group(
                    "4 · See",
                    (("5", "6"),),
                    "**4.** ComfyUI's own *VAE Decode* makes pictures of the latents.\n\nThe same seed gives the "
                    "same pictures. Try *pizza*, *red heart*, *snail*; the model knows emoji.",
                    RESULT,
                ),
            ),
        ),
        tuple(Frame("6", "“dog face”" if i == 0 else f"seed + {i}", i) for i in range(4)),
    ),
    "class_and_bits": Template(
        "classes to pictures, and their bits",
        (
            (
                Group(
                    "1 · Draw pixels by class",
                    (("1", "2"), ("3",), ("4", "5")),
                    "**1.** A *TarFlow* draws pixels, without an autoencoder. Choose what to draw in the list of "
                    "classes; *as named* without a name draws any.\n\nPress **Run**: both models come with the "
                    "pack.",
                ),
                Group(
                    "2 · Measure",
                    (("6", "7"), ("8",)),
                    "**2.** Another model, of 8-bit pictures, measures what the first one drew. **Bits per "
                    "dimension** are what a perfect compressor with this model would need for each colour value: 8 "
                    "for noise, fewer for what the model expects. Step through the pictures with the button below "
                    "the map.",
                    RESULT,
                ),
            ),
        ),
        (Frame("5", "“cat”"), Frame("5", "seed + 1", 1), Frame("8", "{bits_per_dim:.2f} bits/dim")),
    ),
    "likelihood": Template(
        "where is it odd?",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group(
                    "2 · A picture with something odd in it",
                    (("2", "3"), ("4",), ("5", "6", "7"), ("8",)),
                    "**2.** A heart is drawn, and a blue patch put into it.\n\nFor a picture of your own, add "
                    "*Load Image* and connect it to *image* of STARFlow Likelihood.",
                ),
                Group(
                    "3 · How likely is it, and where?",
                    (("9",), ("10",), ("11", "12")),
                    "**3.** A flow gives the **exact** probability of a picture. The widget shows it by place: "
                    "point at the picture for the value under the pointer. The **heatmap** is brighter where it is "
                    "likelier. The **mask** is white only where the model is surprised beyond chance, and black "
                    "for a picture without anything odd: it suits inpainting. Move the patch with *x* and *y*, and "
                    "run again.",
                    RESULT,
                ),
            ),
        ),
        (Frame("8", "a picture"), Frame("10", "how likely"), Frame("12", "what is odd")),
    ),
    "prompt_match": Template(
        "which prompt explains it?",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group(
                    "2 · A picture",
                    (("2", "3"), ("4",), ("5", "6")),
                    "**2.** A picture to ask about. For one of your own, put *Load Image* in its place.",
                ),
                Group(
                    "3 · Which prompt, and where?",
                    (("7",), ("8", "9")),
                    "**3.** One prompt a line. A flow says by how many nats each makes the picture likelier than no "
                    "prompt does: above 0 it explains something, below 0 it misleads. The **heatmap** shows where the "
                    "best one does.\n\nChange the prompts, and run again.",
                    RESULT,
                ),
            ),
        ),
        (Frame("6", "which prompt?"), Frame("9", "“green frog” explains this")),
    ),
    "best_of_n": Template(
        "the best of eight",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group("2, 3 · Draw eight", (("2", "3"), ("4",), ("5", "6")), DRAWING),
                Group(
                    "4 · Pick the best",
                    (("7",), ("8",)),
                    "**4.** Keeps the picture that the prompt explains best. It takes a batch of **any** model's "
                    "pictures: connect those of another one to *image*.\n\nWithout a conditioning it keeps the "
                    "likeliest.",
                    RESULT,
                ),
            ),
        ),
        (*(Frame("6", f"seed + {i}", i) for i in range(3)), Frame("8", "the best of eight")),
    ),
    "odd_one_out": Template(
        "which ones are odd?",
        (
            (
                Group("1 · Load", (("1",), ("2", "3")), START),
                Group(
                    "2 · What is normal",
                    (("4",), ("5", "6"), ("7",)),
                    "**2.** 16 pictures show what is normal. For pictures of your own, put a node that loads a folder "
                    "of them in their place: 8 at least, better some hundreds.",
                ),
            ),
            (
                Group(
                    "3 · Others",
                    (("8",), ("9", "10"), ("11", "12")),
                    "**3.** Four more of the same kind, and the same four with a patch in them.",
                ),
                Group(
                    "4 · How odd?",
                    (("13", "14"), ("15", "16"), ("17",)),
                    "**4.** The **p value** is the share of normal pictures that are at least as odd: 1/17 is the "
                    "least that 16 pictures can tell. The **heatmap** is brighter where they are odder.",
                    RESULT,
                ),
            ),
        ),
        (Frame("6", "normal ones"), Frame("12", "an odd one"), Frame("17", "where it is odd")),
    ),
    "how_sure": Template(
        "how sure is it, and where?",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group(
                    "2 · Three pictures",
                    (("2", "3"), ("4",), ("5", "6")),
                    "**2.** Three pictures of one prompt. For pictures of your own, put *Load Image* in their place.",
                ),
                Group(
                    "3 · How sure, and where?",
                    (("7",), ("8", "9")),
                    "**3.** A flow predicts each place from what came before, and with it the error that it expects. "
                    "The **heatmap** is brighter where it expects less, on one scale for all pictures; the **mask** is "
                    "white where it knows nothing. The numbers are larger for pictures that it is surer of.",
                    RESULT,
                ),
            ),
        ),
        (*(Frame("6", f"seed + {i}" if i else "“rocket”", i) for i in range(2)), Frame("9", "where it is sure")),
    ),
    "invert": Template(
        "to noise, and back",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group(
                    "2 · A picture",
                    (("2", "3"), ("4",), ("5", "6")),
                    "**2.** A picture to start from. For one of your own, put *Load Image* and *STARFlow Encode* "
                    "in its place.",
                ),
                Group(
                    "3 · To noise",
                    (("7",),),
                    "**3.** The flow's inverse: **the** noise that this picture is drawn from, found in one pass.",
                ),
            ),
            (
                Group(
                    "4 · Back: the same picture",
                    (("8",), ("9", "10")),
                    "**4.** With guidance 0 and the same prompt, the noise gives the picture back, without loss.",
                    RESULT,
                ),
                Group(
                    "5 · Back, varied",
                    (("11",), ("12", "13")),
                    "**5.** *variation* lets a part of the noise give way to fresh noise of the seed: 0 keeps the "
                    "picture, 1 draws another.",
                    RESULT,
                ),
            ),
        ),
        (Frame("6", "a picture"), Frame("10", "noise, and back"), Frame("13", "half fresh noise")),
    ),
    "refine_with_sd15": Template(
        "a draft, refined by SD 1.5",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group("2, 3 · Draw a draft", (("2", "3"), ("4",), ("5", "6")), DRAWING),
            ),
            (
                Group(
                    "4 · Refine with Stable Diffusion 1.5 (muted)",
                    (("7", "8", "9"), ("10", "11"), ("12",), ("13", "14")),
                    "**4.** This half is **muted**, since it needs a model that the pack does not bring: "
                    "**v1-5-pruned-emaonly-fp16.safetensors**, 2 GB, from "
                    f"[Comfy-Org/stable-diffusion-v1-5-archive]({SD15}), "
                    "in **ComfyUI/models/checkpoints**. ComfyUI refuses a graph whose model is missing.\n\nWith "
                    "the file there: press **R**, select this group's nodes, and press **Ctrl+M** to unmute them. "
                    "*denoise* of the KSampler says how much it may change.",
                    OTHER,
                ),
            ),
        ),
        (Frame("6", "STARFlow’s draft, for SD 1.5 to go on from"),),
    ),
}

COLOURS = {  # of nodes, by the words of their titles
    "What to draw": GREEN,
    "What the picture shows": GREEN,
    "What they are thought to show": GREEN,
    "What to refine it to": GREEN,
    "What not to draw": RED,
    "What not to": RED,
}
KIND_COLOURS = {
    "STARFlowLoader": VIOLET,
    **dict.fromkeys(
        (
            *("STARFlowSampler", "STARFlowLikelihood", "STARFlowMatch", "STARFlowPickLikeliest", "STARFlowInvert"),
            *("STARFlowAnomalyFit", "STARFlowAnomalyScore", "STARFlowConfidence"),
        ),
        BLUE,
    ),
}
