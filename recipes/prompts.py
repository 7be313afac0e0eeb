"""Prompts as people type them, which serve to judge and to show the embedded model; it was not tuned on them."""

from __future__ import annotations

PEOPLES = (
    *("a blue car", "sunset over the sea", "a cup of coffee", "portrait of a woman", "a red apple", "a cat", "a dog"),
    *("a yellow taxi", "pizza", "a slice of watermelon", "an old man with a beard", "a woman with red hair"),
    *(
        "a house with a garden",
        "a tall building",
        "mountains with snow",
        "a palm tree on an island",
        "the moon at night",
    ),
    *("a smiling sun", "a rainbow", "a thunderstorm", "a sailboat on the water", "a rocket in space", "an airplane"),
    *("a train", "a bicycle", "a motorcycle", "a green tractor", "a fire truck", "a police car", "a school bus"),
    *("a football", "a basketball", "a guitar", "a piano", "a red rose", "a sunflower", "a cactus"),
    *("a mushroom", "a pumpkin", "a carrot", "a bunch of grapes", "a banana", "an ice cream cone", "a birthday cake"),
    *(
        "a hamburger and fries",
        "a glass of red wine",
        "a mug of beer",
        "a fork and a knife",
    ),
    *("an elephant", "a lion", "a panda", "a penguin", "an owl", "a parrot", "a butterfly", "a bee", "a turtle"),
    *("a snake", "a goldfish", "a whale", "a frog", "a horse", "a cow", "a pig", "a rabbit", "a fox", "a dragon"),
    *("a unicorn", "a ghost", "a robot", "an alien", "a witch", "a pirate", "a king", "a doctor", "a chef"),
    *("an astronaut", "a happy child", "a crying face", "a face with sunglasses", "an angry face", "a thumbs up"),
    *("a heart", "a broken heart", "a golden star", "a gift box", "a balloon", "a christmas tree", "a candle"),
    *("a light bulb", "a laptop", "a mobile phone", "a camera", "a wrist watch", "an alarm clock", "a key", "a lock"),
    *("a pair of scissors", "a hammer", "a book"),
)
SHOWN = (
    *("red heart", "smiling face", "a dog", "pizza", "a cat", "a rocket", "a sunflower", "a red apple"),
    *("a blue car", "a cup of coffee", "a panda", "hamburger", "a goldfish", "a sailboat", "a cactus", "strawberry"),
    *("face with sunglasses", "a ghost", "a frog", "birthday cake", "an owl", "a taxi", "a rainbow", "watermelon"),
    *("a green heart", "woman with red hair", "a lion", "ice cream", "a robot", "a house", "the moon", "football"),
)
SEEDED = ("red heart", "a dog", "a smiling face", "pizza", "a blue cat", "a green frog", "a sunflower", "a house")
COMPOSED = (
    *("a cat and a dog", "a red apple and a green apple", "a cat on a blue background", "a heart next to a star"),
    *("a woman with red hair and glasses", "a man with a beard on a yellow background", "a blue rose", "a purple car"),
    *("a tree on a pink background", "a yellow heart on black", "a fish and a boat", "a green house"),
)
STYLES = ("emoji", "3d", "flat icon", "line icon", "clip art", "avatar")
STYLED = ("cat", "house", "car", "tree", "woman", "cup of coffee")
