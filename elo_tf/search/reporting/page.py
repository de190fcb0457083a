"""A page of HTML that needs nothing but itself: pictures are in it, no script, no font, no address elsewhere.

Every function takes plain text, escapes it, and returns HTML. Tables become cards on a narrow window; what is printed
keeps pictures and rows in one piece.
"""

import base64
import html
import io
import struct
from typing import Sequence, Tuple

import numpy as np
from matplotlib import image

from elo_tf.plots.film_strip import film_strip

# PNGs of 150 dots an inch at their size on paper; CSS has 96 pixels an inch.
_CSS_PIXELS = 96 / 150
# Frames of videos are stored no larger than this, pixels a side: a page should fit into a mail.
_LARGEST_FRAME = 96

_STYLE = """
:root { color-scheme: light }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 1px solid #ccc }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem }
p, figcaption { max-width: 44rem; margin: .5rem 0 }
figure { margin: 1rem 0 }
figcaption, footer { color: #555; font-size: .9rem }
img { display: block; max-width: 100%; height: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .75rem 0 }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
td { font-variant-numeric: tabular-nums }
thead th { border-bottom-color: #888 }
.wide th, .wide td { overflow-wrap: break-word }
.facts th { width: 30%; font-weight: 600 }
.strips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: .75rem 1rem }
.strips figure { margin: 0 }
.strips img { width: 100%; image-rendering: pixelated }
.strips figcaption { font-size: .75rem; line-height: 1.3; margin: .2rem 0 }
summary { cursor: pointer; font-weight: 600 }
@media screen and (max-width: 44rem) {
  .wide thead { display: none }
  .wide tbody, .wide tr, .wide td { display: block }
  .wide tr { border: 1px solid #ccc; border-radius: .3rem; padding: .4rem .75rem; margin: .75rem 0 }
  .wide td { display: flex; justify-content: space-between; gap: 1rem; padding: .1rem 0; border: 0; text-align: right }
  .wide span { min-width: 0; overflow-wrap: anywhere }
  .wide td::before { content: attr(data-label); color: #555; text-align: left; flex: 0 0 40% }
  .facts th { width: 48% }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt }
  h2, h3 { break-after: avoid }
  figure, tr { break-inside: avoid }
  .strips { grid-template-columns: repeat(3, 1fr) }
}
"""


def document(title: str, body: str) -> str:
    """A whole page around HTML made by the other functions."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def escape(text: object) -> str:
    """Anything as text that is safe between tags and in quoted attributes."""
    return html.escape(str(text), quote=True)


def section(title: str, *parts: str) -> str:
    """Parts, HTML, under a heading."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{''.join(parts)}</section>\n"


def heading(title: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(title)}</h3>\n"


def footer(text: str) -> str:
    """A last line of plain text."""
    return f"<footer>{paragraph(text)}</footer>\n"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>\n"


def facts(rows: Sequence[Tuple[str, object]]) -> str:
    """A table of names and values."""
    lines = [f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows]
    return '<table class="facts"><tbody>\n' + "\n".join(lines) + "\n</tbody></table>\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with a heading of its columns."""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    lines = [
        # The span is one piece beside the label of a card.
        "".join(
            f'<td data-label="{escape(title)}"><span>{escape(value)}</span></td>' for title, value in zip(head, row)
        )
        for row in rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="wide"><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table>\n'


def picture(png: bytes, alt: str, caption: str) -> str:
    """A figure of 150 dots an inch at its natural size, or smaller where the window is.

    Args:
      png: The file.
      alt: What stands for the picture where it cannot be seen.
      caption: Below it.
    """
    width, height = (round(side * _CSS_PIXELS) for side in _size(png))
    return f"<figure>{_image(png, alt, width, height)}\n<figcaption>{escape(caption)}</figcaption></figure>\n"


def strips(entries: Sequence[Tuple[np.ndarray, str, str]]) -> str:
    """Film strips beside each other as far as there is room: (frames uint8 [f,H,W,3], alt, caption) each."""
    pngs = [(_side_by_side(frames), alt, caption) for frames, alt, caption in entries]
    figures = [
        f"<figure>{_image(png, alt, *_size(png))}<figcaption>{escape(caption)}</figcaption></figure>"
        for png, alt, caption in pngs
    ]
    return '<div class="strips">\n' + "\n".join(figures) + "\n</div>\n"


def _side_by_side(frames: np.ndarray) -> bytes:
    """Frames uint8 [f,H,W,3] as one PNG, side by side, shrunk by a whole number where they are large."""
    content = io.BytesIO()
    image.imsave(content, film_strip(frames, _LARGEST_FRAME), format="png")
    return content.getvalue()


def folded(title: str, body: str) -> str:
    """HTML behind a line that opens it."""
    return f"<details><summary>{escape(title)}</summary>\n{body}</details>\n"


def _image(png: bytes, alt: str, width: int, height: int) -> str:
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="{width}" height="{height}">'


def _size(png: bytes) -> Tuple[int, int]:
    """Width and height, from the header that begins every PNG."""
    return struct.unpack(">II", png[16:24])
