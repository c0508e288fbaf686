"""What may be combined with what: the nouns, colours, numbers, faces and accessories of the made captions."""

STYLES = ("noto", "flat", "3d")

# OKLCh targets: lightness 0 to 1, chroma, hue in degrees (None where there is none).
COLOURS = {
    "red": (0.60, 0.21, 27),
    "orange": (0.73, 0.17, 55),
    "yellow": (0.88, 0.17, 97),
    "green": (0.66, 0.19, 142),
    "turquoise": (0.78, 0.12, 192),
    "blue": (0.60, 0.18, 256),
    "purple": (0.54, 0.20, 300),
    "pink": (0.79, 0.14, 355),
    "brown": (0.47, 0.08, 55),
    "black": (0.28, 0.0, None),
    "gray": (0.68, 0.0, None),
    "white": (0.96, 0.0, None),
}

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}

# noun: label of the drawing (the noun itself where empty); "noun|plural" where the plural is irregular.
_NOUNS = """
cat:cat face, dog:dog face, bear, panda, fox|foxes, lion, tiger:tiger face, monkey:monkey face, frog, cow:cow face,
pig:pig face, mouse|mice:mouse face, hamster, rabbit:rabbit face, koala, wolf|wolves, polar bear, horse:horse face,
unicorn, elephant, penguin, owl, chick:baby chick, bird, duck, turtle, snake, dragon:dragon face, whale:spouting whale,
dolphin, fish|fish, tropical fish|tropical fish, octopus|octopuses, crab, snail, butterfly|butterflies, bee:honeybee,
ladybug:lady beetle, spider, sheep|sheep:ewe, goat, camel, giraffe, hedgehog, bat, swan, flamingo, parrot, shark,
lobster, shrimp|shrimp, squid|squid, jellyfish|jellyfish, crocodile, lizard, dinosaur:sauropod, rooster, ant,
ghost, alien, robot, skull, pumpkin:jack-o-lantern, snowman|snowmen:snowman without snow, poo:pile of poo,
rose, tulip, sunflower, flower:blossom, cactus|cacti, mushroom, palm tree, tree:deciduous tree,
pine tree:evergreen tree, clover:four leaf clover, maple leaf|maple leaves, seedling,
apple:red apple, pear, lemon, orange:tangerine, banana, watermelon, strawberry|strawberries, cherry|cherries:cherries,
pineapple, peach|peaches, tomato|tomatoes, eggplant, carrot, broccoli|broccoli, avocado, potato|potatoes, onion,
bell pepper, chili:hot pepper, coconut, mango|mangoes, corn|corn:ear of corn,
hamburger, pizza, hot dog, taco, french fries|french fries, bread|bread, croissant, pretzel, doughnut, cookie,
cupcake, cake:birthday cake, lollipop, candy|candies, ice cream|ice creams:soft ice cream, egg, cheese|cheese:cheese wedge,
sandwich|sandwiches, coffee|coffees:hot beverage, beer|beers:beer mug, wine|glasses of wine:wine glass,
heart:red heart, star, sun, moon:crescent moon, cloud, rainbow, fire|fires, droplet, snowflake,
umbrella, balloon, gift:wrapped gift, soccer ball, basketball, baseball, bowling pin|bowling pins:bowling,
car:automobile, bus|buses, taxi, tractor, bicycle, rocket, airplane, helicopter, sailboat, train:locomotive,
house, castle, tent, guitar, drum, trumpet, violin, key, lock:locked, light bulb, book:closed book, pencil, scissors|scissors,
hammer, bell, crown, hat:top hat, cap:billed cap, alarm clock, camera, phone:mobile phone, cup:teacup without handle,
teddy bear, kite, diamond:gem stone, ring, magnet, candle, bomb, trophy|trophies, shirt:t-shirt, sock:socks,
dress|dresses, backpack, ribbon, anchor, chair, door, bed, bathtub, toothbrush|toothbrushes, television, laptop,
microscope, telescope, gear, axe, sword:dagger, shield, envelope, package,
circle:red circle, square:red square, coin, shoe:running shoe, puzzle piece, die|dice:game die, crayon
"""


def _parse():
    nouns, plurals = {}, {}
    for item in _NOUNS.replace("\n", " ").split(","):
        head, _, label = item.strip().partition(":")
        noun, _, plural = head.partition("|")
        nouns[noun] = label or noun
        plurals[noun] = plural or noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
    return nouns, plurals


NOUNS, PLURALS = _parse()
# Their colours are what they are made of: no colours for them.
UNCOLOURED = {"rainbow", "fire", "sun", "television", "wine", "candle", "french fries", "scissors", "bowling pin"}

# Where a face has its eyes and its top: eye line y, eye distance from the middle line, top of the head y, half the
# head's width, middle line x; fractions of the drawing. Of "flat" and "3d" the outlines are the same.
FACES = {
    "cat": ((0.525, 0.19, 0.24, 0.38, 0.5), (0.575, 0.125, 0.34, 0.37, 0.5)),
    "dog": ((0.555, 0.175, 0.18, 0.30, 0.5), (0.42, 0.09, 0.15, 0.30, 0.5)),
    "bear": ((0.465, 0.17, 0.16, 0.42, 0.5), (0.51, 0.125, 0.20, 0.42, 0.5)),
    "panda": ((0.485, 0.18, 0.15, 0.40, 0.5), (0.51, 0.125, 0.19, 0.42, 0.5)),
    "fox": ((0.565, 0.125, 0.27, 0.32, 0.5), (0.575, 0.10, 0.28, 0.32, 0.5)),
    "lion": ((0.39, 0.115, 0.08, 0.36, 0.5), (0.455, 0.125, 0.10, 0.38, 0.5)),
    "tiger": ((0.33, 0.19, 0.09, 0.38, 0.5), (0.475, 0.125, 0.14, 0.36, 0.5)),
    "monkey": ((0.47, 0.115, 0.16, 0.32, 0.5), (0.475, 0.095, 0.20, 0.34, 0.5)),
    "frog": ((0.33, 0.24, 0.20, 0.40, 0.5), (0.265, 0.205, 0.18, 0.38, 0.5)),
    "cow": ((0.45, 0.13, 0.15, 0.28, 0.5), (0.45, 0.125, 0.18, 0.27, 0.5)),
    "pig": ((0.54, 0.21, 0.16, 0.40, 0.5), (0.475, 0.125, 0.17, 0.38, 0.5)),
    "mouse": ((0.61, 0.17, 0.30, 0.32, 0.5), (0.695, 0.125, 0.43, 0.30, 0.5)),
    "hamster": ((0.55, 0.17, 0.22, 0.34, 0.5), (0.605, 0.125, 0.33, 0.34, 0.5)),
    "rabbit": ((0.59, 0.125, 0.46, 0.27, 0.5), (0.57, 0.125, 0.40, 0.33, 0.5)),
    "koala": ((0.455, 0.20, 0.14, 0.38, 0.5), (0.535, 0.19, 0.18, 0.35, 0.5)),
    "wolf": ((0.475, 0.155, 0.18, 0.30, 0.5), (0.475, 0.125, 0.27, 0.30, 0.5)),
    "polar bear": ((0.365, 0.21, 0.10, 0.44, 0.5), (0.505, 0.125, 0.20, 0.42, 0.5)),
    "robot": ((0.52, 0.165, 0.30, 0.37, 0.5), (0.44, 0.18, 0.19, 0.36, 0.5)),
    "alien": ((0.50, 0.23, 0.05, 0.40, 0.5), (0.515, 0.22, 0.09, 0.38, 0.5)),
    "ghost": ((0.25, 0.13, 0.05, 0.26, 0.475), (0.26, 0.13, 0.06, 0.26, 0.5)),
    "skull": ((0.51, 0.19, 0.05, 0.36, 0.5), (0.50, 0.20, 0.06, 0.38, 0.5)),
    "pumpkin": ((0.47, 0.20, 0.20, 0.40, 0.5), (0.43, 0.17, 0.22, 0.40, 0.5)),
    "owl": ((0.32, 0.115, 0.12, 0.26, 0.5), (0.285, 0.175, 0.07, 0.30, 0.5)),
    "smiley": ((0.44, 0.15, 0.08, 0.40, 0.5), (0.40, 0.18, 0.08, 0.38, 0.5)),
}
FACE_LABELS = {"smiley": "smiling face"}

# accessory: label of the drawing, place, ways to say it
ACCESSORIES = {
    "sunglasses": ("sunglasses", "eyes", ("with sunglasses", "wearing sunglasses")),
    "glasses": ("glasses", "eyes", ("with glasses", "wearing glasses")),
    "top hat": ("top hat", "top", ("with a top hat", "wearing a top hat", "with a hat", "wearing a hat")),
    "crown": ("crown", "top", ("with a crown", "wearing a crown")),
    "graduation cap": ("graduation cap", "top", ("with a graduation cap", "wearing a graduation cap")),
    "bow": ("ribbon", "top", ("with a bow", "wearing a bow")),
    "cap": ("billed cap", "top", ("with a cap", "wearing a cap")),
    "headphones": ("headphone", "around", ("with headphones", "wearing headphones")),
}

RELATIONS = ("left", "right", "above", "below", "and", "next to")
