"""The classes of the class-conditional models. The words of a picture's name determine its class."""

from __future__ import annotations

from .pictures.picture import Picture

# The words of each class. A picture belongs to the first class that has a word of its name.
WORDS = {
    "cat": "cat kitten",
    "dog": "dog puppy poodle",
    "heart": "heart hearts",
    "face": "face smiley emoticon",
    "hand": "hand hands thumb thumbs finger fingers fist",
    "clock": "clock watch alarm hourglass timer stopwatch",
    "flower": "flower flowers rose tulip sunflower blossom bouquet hibiscus",
    "fruit": "apple banana cherry cherries grape grapes lemon melon orange peach pear pineapple strawberry watermelon",
    "tree": "tree trees palm cactus evergreen",
    "bird": "bird duck eagle owl parrot chick chicken rooster penguin turkey",
    "fish": "fish dolphin whale shark octopus shrimp",
    "animal": "bear cow elephant fox frog horse lion monkey mouse panda pig rabbit sheep tiger turtle wolf",
    "person": "man woman boy girl person people baby child avatar",
    "car": "car taxi bus truck automobile van ambulance",
    "boat": "boat ship sailboat ferry",
    "plane": "airplane plane rocket helicopter",
    "house": "house home building castle school hospital church shop store",
    "food": "bread burger cake cheese cookie egg hamburger pizza sandwich soup ice",
    "drink": "coffee tea beer wine juice cup mug bottle glass cocktail",
    "book": "book books notebook document file folder page",
    "phone": "phone telephone mobile smartphone",
    "computer": "computer laptop monitor screen keyboard",
    "arrow": "arrow arrows",
    "star": "star stars",
    "sun": "sun sunny",
    "moon": "moon",
    "cloud": "cloud clouds cloudy rain snow",
    "music": "music guitar piano violin drum trumpet note",
    "ball": "ball football basketball baseball volleyball soccer",
    "money": "money coin dollar euro wallet bank",
}
NAMES = tuple(WORDS)
_CLASSES = {word: place for place, words in reversed(list(enumerate(WORDS.values()))) for word in words.split()}


def label(picture: Picture) -> int | None:
    """The class of a picture, as a place in `NAMES`; None where no class has a word of its name."""
    words = picture.attributes["person"].split() if picture.attributes else picture.name.split()
    return min((_CLASSES[word] for word in words if word in _CLASSES), default=None)
