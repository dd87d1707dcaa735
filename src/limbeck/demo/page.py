"""The page itself: a caption, its translations, and the training pictures nearest to what was imagined."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from limbeck.demo.words import CHANGED, Marked, mark_changes
from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.demo.pictures import Match, NearestPictures
    from limbeck.systems.translation.sentences import SentenceTranslator, Translation

MOST_CHARACTERS, MOST_TOKENS = 500, 200
"""Of a caption; what is longer is refused, since the page is for captions and is shared."""

WAITING = 16
"""Requests that may wait; they are answered one at a time."""

SHOWN = 6
"""Training pictures at a sentence."""

CSS = """
#alternatives th, #alternatives td { text-align: left; padding: 0.25rem 1.5rem 0.25rem 0.5rem; }
#pictures .nearest { display: flex; flex-wrap: wrap; gap: 1rem; }
#pictures figure { width: 7.5rem; margin: 0; }
#pictures figure:not(:has(img)) { width: 100%; }
#pictures img { width: 7.5rem; height: 7.5rem; image-rendering: pixelated; }
#pictures figcaption { font-size: 0.85rem; }
#message { min-height: 1.5rem; font-weight: bold; }
"""


@dataclass(frozen=True)
class Part:
    """A model on the page.

    Args:
        name: What the page calls it.
        sentences: Its translator.
    """

    name: str
    sentences: SentenceTranslator


@dataclass(frozen=True)
class Shown:
    """What the page shows of one caption.

    Args:
        message: What is wrong with the caption; empty where nothing is.
        own: The translation, with the words marked that the other model has not.
        other: That model's.
        alternatives: The best translations, best first.
        pictures: The nearest training pictures, as HTML.
    """

    message: str = ""
    own: Marked | None = None
    other: Marked | None = None
    alternatives: Sequence[Translation] = ()
    pictures: str = ""


@dataclass(frozen=True)
class Demo:
    """All that the page can do.

    Args:
        model: The model.
        against: Another one, to be set beside it.
        pictures: What finds training pictures, or the reason why there is none.
        most: Alternatives of each caption.
        examples: Captions to begin with.
    """

    model: Part
    against: Part | None
    pictures: NearestPictures | str
    most: int
    examples: Sequence[str] = ()

    def show(self, text: str | None) -> Shown:
        """Translate a caption as a visitor typed it."""
        caption = " ".join((text or "").split())
        if problem := self._problem(caption):
            return Shown(problem)
        found = self.model.sentences.search([caption], most=self.most)[0]
        own, other = found[0].text, None
        marked: Marked = [(own, None)]
        if self.against is not None:
            marked, other = mark_changes(own, self.against.sentences.search([caption])[0][0].text)
        nearest = "" if isinstance(self.pictures, str) else figures(self.pictures.of(caption, SHOWN))
        return Shown("", marked, other, found, nearest)

    def _problem(self, caption: str) -> str:
        if not caption:
            return "Type a caption first."
        if len(caption) > MOST_CHARACTERS:
            return f"The caption has {len(caption)} characters; at most {MOST_CHARACTERS} are translated here."
        parts = (self.model, self.against) if self.against is not None else (self.model,)
        tokens = max(len(part.sentences.ids(caption)) for part in parts)
        if tokens > MOST_TOKENS:
            return f"The caption has {tokens} tokens; at most {MOST_TOKENS} are translated here."
        return ""


def table(translations: Sequence[Translation]) -> str:
    """Scores and translations as HTML."""
    if not translations:
        return ""
    rows = "".join(f"<tr><td>{one.score:.4f}</td><td>{html.escape(one.text)}</td></tr>" for one in translations)
    heads = "<th>log-probability over length</th><th>translation</th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def figures(matches: Sequence[Match]) -> str:
    """Pictures with their captions as HTML that refers to no file; captions are text, never markup."""
    parts = []
    for match in matches:
        caption = html.escape(match.caption)
        image = ""
        if match.picture is not None:
            file = io.BytesIO()
            Image.fromarray(match.picture).save(file, "PNG")
            data = base64.b64encode(file.getvalue()).decode()
            image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        parts.append(f"<figure>{image}<figcaption>{match.cosine:.2f} {caption}</figcaption></figure>")
    return f'<div class="nearest">{"".join(parts)}</div>'


def load_gradio() -> Any:
    """Gradio, told to keep to itself.

    Raises:
        LimbeckError: It is not installed.
    """
    # It reads these when it is imported: no statistics, no questions about newer versions, no look at the Hub.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import gradio
    except ImportError as error:
        raise LimbeckError(f"`limbeck demo` needs Gradio ({error}): pip install 'limbeck[demo]'") from None
    return gradio


def build_page(demo: Demo) -> Any:
    """The page as Gradio's `Blocks`.

    Raises:
        LimbeckError: Gradio is not installed.
    """
    gr = load_gradio()
    colours, other = {CHANGED: "orange"}, demo.against
    with gr.Blocks(title=f"Limbeck: {demo.model.name}", analytics_enabled=False) as page:
        gr.Markdown(_head(demo))
        caption = gr.Textbox(label="Caption", placeholder="A caption to translate", lines=2, elem_id="caption")
        if demo.examples:
            gr.Examples(
                [[example] for example in demo.examples], caption, label="For example", api_visibility="private"
            )
        button = gr.Button("Translate", variant="primary", elem_id="translate")
        message = gr.Markdown(elem_id="message")
        marks = {"combine_adjacent": False, "color_map": colours, "show_legend": False, "show_inline_category": True}
        with gr.Row():
            own = gr.HighlightedText(label=f"Translation: {demo.model.name}", elem_id="own", **marks)
            against = gr.HighlightedText(
                label="" if other is None else f"Beside it: {other.name}",
                elem_id="other",
                visible=other is not None,
                **marks,
            )
        if other is None:
            gr.Markdown("No other model is set beside it: the page was started without `--against`.", elem_id="alone")
        gr.Markdown("### Alternatives")
        alternatives = gr.HTML(elem_id="alternatives")
        gr.Markdown(_about_pictures(demo.pictures), elem_id="about-pictures")
        pictures = gr.HTML(elem_id="pictures", visible=not isinstance(demo.pictures, str))

        def answer(text: str | None) -> tuple[Any, ...]:
            shown = demo.show(text)
            return shown.message, shown.own, shown.other, table(shown.alternatives), shown.pictures

        gr.on(
            [button.click, caption.submit],
            answer,
            caption,
            [message, own, against, alternatives, pictures],
            api_visibility="private",
            concurrency_limit=1,
        )
    page.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return page


def _head(demo: Demo) -> str:
    handling = demo.model.sentences.handling
    languages = "" if handling is None else f" Translates {handling.source} to {handling.target}."
    return (
        f"# {html.escape(demo.model.name)}\n\n{_KINDS[demo.model.sentences.translator.model.config.visual]}{languages}"
    )


def _about_pictures(pictures: NearestPictures | str) -> str:
    title = "### Nearest training pictures"
    if isinstance(pictures, str):
        return f"{title}\n\nLeft out. {pictures}"
    return (
        f"{title}\n\nThose of {len(pictures.numbers):,} whose feature maps are most like the one that the model "
        "generates, by cosine. On training sentences its maps explain "
        f"{pictures.explained:.0%} of the real ones' variance."
    )


_KINDS = {
    "none": "A translator that never saw a picture.",
    "predicted": "A translator that learnt to predict the picture of a caption beside translating it.",
    "generated": "A translator that generates the visual features of a caption; it is shown no picture.",
}
