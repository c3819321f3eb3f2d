"""Pictures of the demo, drawn from noise and gradients: a landscape of 12 megapixels, a transparent badge, and an animation."""

from pathlib import Path

import pyvips

SIDES = (4000, 3000)
BADGE = 900
FRAMES, FRAME_SIDES = 24, (360, 240)

_SKY_HIGH, _SKY_LOW, _SUN = (58, 96, 160), (250, 196, 150), (255, 236, 190)
_FAR, _NEAR = (150, 140, 165), (22, 40, 44)
_RIDGES = 6


def landscape(file: Path) -> None:
    """A JPEG like that of a camera: 12 megapixels, with an artist and a GPS position in its EXIF."""
    width, height = SIDES
    places = pyvips.Image.xyz(width, height)
    picture = _sky(places, width, height)
    for number in range(_RIDGES):
        picture = _ridge(picture, places, number)
    grain = pyvips.Image.gaussnoise(width, height, sigma=5, mean=0, seed=7)
    picture = (picture + grain).cast("uchar").copy(interpretation="srgb")
    picture.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "The demo")
    picture.set_type(pyvips.GValue.gstr_type, "exif-ifd3-GPSLatitude", "52/1 31/1 12/1")
    picture.jpegsave(str(file), Q=90)


def badge(file: Path) -> None:
    """A PNG with transparency: a ring of colours around a soft dot."""
    middle = BADGE / 2
    places = pyvips.Image.xyz(BADGE, BADGE) - [middle, middle]
    polar = places[0].complexform(places[1]).polar()
    radius, angle = polar.real(), polar.imag()
    ring = _soft(radius, 0.78 * middle, 0.94 * middle)
    dot = 1 - radius / (0.62 * middle)
    dot = (dot > 0).ifthenelse(dot, 0)
    lightness = (angle * 0 + 70).cast("float")
    colours = lightness.bandjoin([lightness * 0 + 60, angle]).copy(interpretation="lch").colourspace("srgb")
    alpha = ((ring + dot) * 255).cast("uchar")
    colours.bandjoin(alpha).copy(interpretation="srgb").pngsave(str(file))


def animation(file: Path) -> None:
    """A GIF of 24 frames: a ball that circles once in 1.2 seconds."""
    width, height = FRAME_SIDES
    frames = [_frame(width, height, 360 * number / FRAMES) for number in range(FRAMES)]
    roll = pyvips.Image.arrayjoin(frames, across=1).copy(interpretation="srgb")
    roll.set_type(pyvips.GValue.gint_type, "page-height", height)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [50] * FRAMES)
    roll.set_type(pyvips.GValue.gint_type, "loop", 0)
    roll.gifsave(str(file))


def _sky(places: pyvips.Image, width: int, height: int) -> pyvips.Image:
    depth = places[1] / (0.7 * height)
    depth = (depth > 1).ifthenelse(1, depth)
    sky = _between(_SKY_HIGH, _SKY_LOW, depth)
    clouds = pyvips.Image.black(width // 8, height // 8)
    for octave, size in enumerate((128, 64, 32, 16)):
        clouds = clouds + pyvips.Image.perlin(width // 8, height // 8, cell_size=size, seed=octave) / 2**octave
    clouds = clouds.resize(8, vscale=8).crop(0, 0, width, height) * 0.45
    sky = _between_pictures(sky, (255, 244, 236), (clouds > 0).ifthenelse(clouds, 0))
    distance = ((places - [0.68 * width, 0.38 * height]) ** 2).bandmean() * 2
    glow = (distance / -(0.012 * width * height)).exp()
    return _between_pictures(sky, _SUN, glow)


def _ridge(picture: pyvips.Image, places: pyvips.Image, number: int) -> pyvips.Image:
    """One row of mountains before the last, nearer and darker."""
    width, height = SIDES
    share = number / (_RIDGES - 1)
    line = pyvips.Image.black(width, 1)
    for octave, size in enumerate((1024, 512, 256, 128, 64, 32)):
        line = line + pyvips.Image.perlin(width, 1, cell_size=size, seed=100 * number + octave) / 1.9**octave
    top = line * height * (0.12 + 0.05 * share) + height * (0.5 + 0.4 * share)
    below = places[1] - top.replicate(1, height)
    colour = [far + (near - far) * share for far, near in zip(_FAR, _NEAR, strict=True)]
    mist = (below / (0.22 * height)).exp()  # lighter towards the valley
    mist = (mist > 2).ifthenelse(2, mist) * (18 * (1 - share))
    return (below > 0).ifthenelse(mist + colour, picture)


def _frame(width: int, height: int, degrees: float) -> pyvips.Image:
    way = pyvips.Image.black(1, 1) + degrees
    x = width / 2 + 0.34 * width * float(way.cos()(0, 0)[0])
    y = height / 2 + 0.3 * height * float(way.sin()(0, 0)[0])
    places = pyvips.Image.xyz(width, height)
    ground = _between((18, 24, 48), (64, 40, 92), places[1] / height)
    distance = (((places - [x, y]) ** 2).bandmean() * 2) ** 0.5
    light = (((places - [x - 10, y - 12]) ** 2).bandmean() * 2) ** 0.5 / 52
    light = (light > 1).ifthenelse(1, light)
    ball = _between((255, 240, 190), (214, 76, 48), light)
    return (distance < 34).ifthenelse(ball, ground).cast("uchar")


def _soft(radius: pyvips.Image, inner: float, outer: float) -> pyvips.Image:
    """1 between the radii and 0 elsewhere, with an edge of two pixels."""
    edge = ((radius - inner) / 2).bandrank((outer - radius) / 2, index=0)
    edge = (edge > 1).ifthenelse(1, edge)
    return (edge < 0).ifthenelse(0, edge)


def _between(first: tuple[int, ...], last: tuple[int, ...], share: pyvips.Image) -> pyvips.Image:
    """Mix two colours, with the `share` (0 to 1) of the last one for each pixel."""
    return share * [there - here for here, there in zip(first, last, strict=True)] + list(first)


def _between_pictures(picture: pyvips.Image, colour: tuple[int, ...], share: pyvips.Image) -> pyvips.Image:
    return picture * (1 - share) + share * list(colour)
