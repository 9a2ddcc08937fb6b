"""What a camera sees of a terminal: the characters of a screen as black and white cells twice as high as wide."""

import pyte
from PIL import Image

CELL_W, CELL_H = 12, 24


def screen_of(written: bytes, columns: int, lines: int) -> pyte.Screen:
    """The screen after a terminal of this size was sent these bytes."""
    screen = pyte.Screen(columns, lines)
    pyte.ByteStream(screen).feed(written)
    return screen


def photograph(screen: pyte.Screen) -> Image.Image:
    """The screen as an image, light where the background is light. Only spaces, half blocks and sextants are drawn."""
    image = Image.new("L", (screen.columns * CELL_W, screen.lines * CELL_H), 0)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            light, dark = (255, 0) if cell.bg not in {"default", "black"} else (0, 0)
            for x, y, width, height, is_dark in _parts(cell.data):
                box = (column * CELL_W + x, row * CELL_H + y, column * CELL_W + x + width, row * CELL_H + y + height)
                image.paste(dark if is_dark else light, box)
    return image


def _parts(character: str) -> list[tuple[int, int, int, int, bool]]:
    if character in "▀▄█ ":
        upper, lower = character in "▀█", character in "▄█"
        half = CELL_H // 2
        return [(0, 0, CELL_W, half, upper), (0, half, CELL_W, half, lower)]
    number = _sextant(character)
    wide, high = CELL_W // 2, CELL_H // 3
    return [(place % 2 * wide, place // 2 * high, wide, high, bool(number >> place & 1)) for place in range(6)]


def _sextant(character: str) -> int:
    """Which of the six cells are filled, by the character's name in the Unicode data: BLOCK SEXTANT-135."""
    import unicodedata

    if character in "▌▐":
        return 0b010101 if character == "▌" else 0b101010
    name = unicodedata.name(character, "")
    if not name.startswith("BLOCK SEXTANT-"):
        return 0  # a letter
    return sum(1 << int(digit) - 1 for digit in name.removeprefix("BLOCK SEXTANT-"))
