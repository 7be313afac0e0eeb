"""What the example graphs say for themselves: groups, notes, colours, and the captions of their thumbnails.

The graphs themselves stand in `tests/data/workflows`, in the API's form; nodes are named here as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """An example graph: rows of groups, from left to right, and what its thumbnail shows.

    Attributes:
        title: of the thumbnail.
        rows: of groups.
        frames: of the thumbnail.
        files: of a user, by the node that they are chosen in. The graph is saved with none of them, its muted nodes
            muted; its pictures are made with them.
    """

    title: str
    rows: tuple[tuple[Group, ...], ...]
    frames: tuple[Frame, ...]
    files: Mapping[str, str] = field(default_factory=dict)


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
    "inspect": Template(
        "is this part as it should be?",
        (
            (
                Group("1 · Load", (("1",), ("2", "3")), START),
                Group(
                    "2 · New pictures",
                    (("4",), ("5", "6"), ("7", "8")),
                    "**2.** Four pictures with a patch stand for what a camera brings. For pictures of your own, put "
                    "*Load Image* in their place.",
                ),
            ),
            (
                Group(
                    "3 · How odd, and where? (muted)",
                    (("9",), ("10", "11"), ("12",), ("13", "14")),
                    "**3.** This half is **muted**, since it needs a file that you make once, of pictures of good "
                    "parts:\n\n`starflow anomaly fit good/ -o good.safetensors --model starflow-mini`\n\nPut it into "
                    "**ComfyUI/models/starflow**, press **R**, choose it in *STARFlow Anomaly Load*, select this "
                    "group's nodes, and press **Ctrl+M** to unmute them. A model of your own parts, which `starflow "
                    "train good/ -o mine --crop` makes, sees more: put its folder beside the file, and choose it in "
                    "*STARFlow Loader*.\n\nThe **p value** is the share of good parts that are at least as odd. The "
                    "**heatmap** is brighter where a part is odder; the **mask** is white where it is odd.",
                    RESULT,
                ),
            ),
        ),
        (Frame("8", "new pictures"), Frame("12", "where they are odd"), Frame("14", "what is odd")),
        {"9": "good.safetensors"},
    ),
    "lora": Template(
        "a style of your own",
        (
            (
                Group("1 · Load", (("1",), ("2", "3")), START),
                Group("2 · Without", (("4",), ("5", "6")), "**2.** Two pictures, as the model draws them."),
                Group(
                    "3 · With a LoRA",
                    (("7", "8"), ("9", "10")),
                    "**3.** The same seed, with a LoRA. With *none* in its field, the pictures are the same. Some 100 "
                    "pictures of a style, with a `.txt` file of words beside each, make one:\n\n`starflow train "
                    "pictures/ -o style --base starflow-mini --lora 16`\n\nPut **style/lora.safetensors** into "
                    "**ComfyUI/models/loras** under a name of your choice, press **R**, choose it, and run again. "
                    "*strength* is 1 as it was trained, less for less of it.",
                    RESULT,
                ),
            ),
        ),
        (Frame("6", "without"), Frame("10", "with a LoRA"), Frame("10", "seed + 1", 1)),
        {"7": "style.safetensors"},
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
    "inpaint": Template(
        "a part drawn anew",
        (
            (
                Group("1 · Load", (("1",), ("2", "3")), START),
                Group(
                    "2 · A picture, and what to draw anew",
                    (("4",), ("5", "6"), ("7", "8"), ("9", "10", "11")),
                    "**2.** A picture, and a mask over one eye. For a picture of your own, put *Load Image* in place "
                    "of both: right-click it, *Open in MaskEditor*, and paint over what shall be drawn anew.\n\n*Pad "
                    "Image for Outpainting* gives a picture and a mask, too.",
                ),
                Group(
                    "3 · Four fills, the likeliest first",
                    (("12",), ("13",)),
                    "**3.** The flow draws the masked part four times, and ranks the fills by the **exact** likelihood "
                    "of the whole picture. All other pixels stay exactly as they were.\n\nFor a latent, use *Set "
                    "Latent Noise Mask* and connect *latent*.",
                    RESULT,
                ),
            ),
        ),
        (Frame("11", "a picture with a hole"), *(Frame("13", w, i) for i, w in enumerate(("likeliest", "second")))),
    ),
    "image_to_image": Template(
        "image to image",
        (
            (
                Group("1 · Load", (("1",),), START),
                Group(
                    "2 · A picture",
                    (("2", "3"), ("4",), ("5", "6"), ("7", "14")),
                    "**2.** A picture to start from, and what it shall become. For one of your own, put *Load Image* "
                    "in place of the sampler and *STARFlow Decode*.",
                ),
            ),
            (
                Group(
                    "3 · A little way",
                    (("8",), ("9", "10")),
                    "**3.** With a **latent** connected, *strength* says how far to depart from it: 0 keeps the "
                    "picture, 1 draws another, and what lies between is even to the eye.",
                    RESULT,
                ),
                Group(
                    "4 · A long way",
                    (("11",), ("12", "13")),
                    "**4.** The same seed, and more strength: a larger part of the picture's noise gives way to fresh "
                    "noise. With the picture's own prompt, it is varied instead.",
                    RESULT,
                ),
            ),
        ),
        (Frame("6", "“fox”"), Frame("10", "strength 0.25"), Frame("13", "0.8 to “panda”")),
    ),
    "morph": Template(
        "from one picture to another",
        (
            (
                Group("1 · Load", (("1",), ("4",)), START),
                Group(
                    "2 · Two pictures",
                    (("2", "5"), ("6", "7"), ("3", "8"), ("9", "10")),
                    "**2.** Two pictures, each with its prompt. For pictures of your own, put *Load Image* in their "
                    "place; they must have one shape.",
                ),
            ),
            (
                Group(
                    "3 · The way",
                    (("11",), ("12",), ("13",)),
                    "**3.** The **noises** of the two are turned into each other, and every frame is drawn from what "
                    "lies between: a picture that changes, where a cross-fade shows two at once. *Save Animated WEBP* "
                    "writes a file into ComfyUI's output folder.",
                    RESULT,
                ),
            ),
        ),
        (
            Frame("7", "“panda”"),
            *(Frame("12", "on the way", place) for place in (3, 5, 7)),
            Frame("10", "“bear”"),
        ),
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
    "What it shall become": GREEN,
    "What the first shows": GREEN,
    "What the second shows": GREEN,
    "What not to draw": RED,
    "What not to": RED,
}
KIND_COLOURS = {
    **dict.fromkeys(("STARFlowLoader", "STARFlowLora", "STARFlowAnomalyLoad"), VIOLET),
    **dict.fromkeys(
        (
            *("STARFlowSampler", "STARFlowLikelihood", "STARFlowMatch", "STARFlowPickLikeliest", "STARFlowInvert"),
            *("STARFlowAnomalyFit", "STARFlowAnomalyScore", "STARFlowConfidence", "STARFlowMorph", "STARFlowInpaint"),
            *("STARFlowAscent", "STARFlowCompress", "STARFlowDecompress"),
        ),
        BLUE,
    ),
}
