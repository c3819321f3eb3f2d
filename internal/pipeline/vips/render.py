"""Load, operate, encode: the only place that decodes. It runs in the sandbox's children and nowhere else (G7).

1. the container is looked over without libvips (loaders/), 2. the header is checked against the limits, 3. the pixels are
decoded, already smaller where the chain begins by scaling, upright and in 8 bit sRGB (load.py), 4. operations, 5. encoding.

Steps 3 to 5 are one pass, row by row, as long as each step looks at every row once. The picture is held in memory before a step
that does not, where it is needed twice, and, unless it is very large, before it is encoded as PNG, WebP or GIF (encode.py). So
whatever is wrong with the file shows, also in rows that a crop would never see.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from internal.errors import InvalidProcessing, OutputTooLarge, ServiceError
from internal.pipeline.containers.formats import FORMATS, USUAL_QUALITY, Encoding, OutputFormat, alternative_format, output_format
from internal.pipeline.language.chain import Chain
from internal.pipeline.vips.decode_errors import errors_translated, warnings_heard
from internal.pipeline.vips.encode import Came, encode
from internal.pipeline.vips.facts import facts_of
from internal.pipeline.vips.load import frames_in, load, miniature, opened, restrict_libvips, shows_the_original
from internal.pipeline.vips.loaders.source import Header, Source
from internal.pipeline.vips.metadata import Kept, kept_of
from internal.pipeline.vips.picture import Picture
from internal.sandbox.port import Encoded, Facts, Rendered, RenderJob, RenderLimits

__all__ = ["render", "restrict_libvips"]


def render(job: RenderJob, chain: Chain, scratch: Path) -> Rendered:
    """Do `job`, whose pipeline means `chain`; `scratch` is a folder for what lies between and is left as it was.

    Raises InvalidImage, ImageTooLarge, UnsupportedMediaType, InvalidProcessing, OutputTooLarge and DecoderOutOfMemory.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    with errors_translated(job.media_type):
        with warnings_heard() as warnings:
            encoded, alternative, facts = _rendered(job, chain, scratch)
        if warnings.heard:
            _require_whole(job, chain, scratch)
    return Rendered(encoded, alternative, facts, time.perf_counter() - wall, time.process_time() - cpu)


def _rendered(job: RenderJob, chain: Chain, scratch: Path) -> tuple[Encoded, Encoded | None, Facts | None]:
    """INVARIANT: when this returns, the original is closed, and so libvips has warned of it
    (tests/unit/pipeline/containers/test_jpeg_ends.py::test_data_that_end_early_at_an_eoi_are_refused).
    """
    with opened(job.source, job.media_type, job.limits, scratch, "source") as source:
        result = output_format(chain.format, job.media_type, has_alpha=source.header.has_alpha)
        picture = load(source, chain, result)
        kept = kept_of(source, picture, chain.encoding.keep if result.profile else frozenset())
        facts: Facts | None = None
        if job.want_facts:
            picture = picture.in_memory()
            shown = picture if shows_the_original(source.header, chain) else miniature(source)
            facts = facts_of(shown, source.stored, has_alpha=source.header.has_alpha)
        if chain.references:
            picture = replace(picture, overlays=_overlays(job, chain, source.header, scratch))
        picture = _operated(picture, chain, job.limits)
        other = alternative_format(chain.alternative, result, frames=picture.frames) if job.alternative else None
        picture = picture if other is None else picture.in_memory()
        gif_bytes = job.source.stat().st_size if job.media_type == FORMATS["gif"].media_type else None
        came = Came(source.header.colours, gif_bytes, source.header.palette)
        encoded = _written(picture, job.target, result, chain.encoding, kept, job.limits, came)
        alternative = _alternative(picture, job, other, chain.encoding, kept, came, encoded) if other else None
    return encoded, alternative, facts


def _require_whole(job: RenderJob, chain: Chain, scratch: Path) -> None:
    """Raises InvalidImage if the original, or a picture that is laid over it, is shown with parts that the decoder made up."""
    with opened(job.source, job.media_type, job.limits, scratch, "source") as source:
        source.require_whole()
    for name in chain.references:
        with _opened_overlay(job, name, job.limits, scratch) as source:
            source.require_whole()


def _operated(picture: Picture, chain: Chain, limits: RenderLimits) -> Picture:
    """After all operations. The picture is held in memory once, before the first one that does not stream."""
    streams = True
    for operation in chain.operations:
        if streams and not operation.streams:
            picture, streams = picture.in_memory(), False
        _require_small(operation.scaled(picture.width, picture.height) or (1, 1), picture.frames, limits)  # before it is done
        picture = operation.apply(picture)
        _require_small((picture.width, picture.height), picture.frames, limits)
    return picture


def _require_small(size: tuple[int, int], frames: int, limits: RenderLimits) -> None:
    if size[0] * size[1] * frames > limits.max_output_pixels:
        raise OutputTooLarge(f"The result would be {size[0]}x{size[1]}; {limits.max_output_pixels} pixels are the most.")


def _overlays(job: RenderJob, chain: Chain, header: Header, scratch: Path) -> dict[str, Picture]:
    """The pictures that the chain lays over this one, by their ids; all of them and it have no more pixels than one may have."""
    overlays: dict[str, Picture] = {}
    left = job.limits.max_pixels - header.pixels
    for name in chain.references:
        overlays[name] = _overlay(job, name, msgspec.structs.replace(job.limits, max_pixels=left), scratch)
        left -= overlays[name].width * overlays[name].height
    return overlays


def _overlay(job: RenderJob, reference: str, limits: RenderLimits, scratch: Path) -> Picture:
    """Its first frame, upright, in memory."""
    if reference not in job.overlays:
        raise InvalidProcessing(f"The picture {reference}, which is to be laid over this one, is not there.")
    with _opened_overlay(job, reference, limits, scratch) as source:
        return load(source, Chain(), FORMATS["png"]).in_memory()


@contextmanager
def _opened_overlay(job: RenderJob, reference: str, limits: RenderLimits, scratch: Path) -> Iterator[Source]:
    """Errors say which picture they are about."""
    overlay = job.overlays[reference]
    try:
        with (
            errors_translated(overlay.media_type),
            opened(overlay.path, overlay.media_type, limits, scratch, "overlay") as source,
        ):
            yield source
    except ServiceError as error:
        raise type(error)(f"The picture {reference}, which is to be laid over this one: {error.detail}") from error


def _alternative(
    picture: Picture, job: RenderJob, other: OutputFormat, encoding: Encoding, kept: Kept, came: Came, fallback: Encoded
) -> Encoded | None:
    """The second file of `format:auto`; None, and no file, where it is not smaller than the fallback or can't be made."""
    if job.alternative is None:
        return None
    try:
        with errors_translated(job.media_type):
            made = _written(picture, job.alternative, other, _on_scale_of(other, encoding), kept, job.limits, came)
        if made.size < fallback.size:
            return made
    except OutputTooLarge:
        pass
    job.alternative.unlink(missing_ok=True)
    return None


def _on_scale_of(other: OutputFormat, encoding: Encoding) -> Encoding:
    """A quality that was asked for counts on the scale of JPEG and WebP; the second file gets the like of it."""
    if encoding.quality is None or other.quality is None:
        return encoding
    return msgspec.structs.replace(encoding, quality=max(1, round(encoding.quality * other.quality / USUAL_QUALITY)))


def _written(
    picture: Picture,
    target: Path,
    result: OutputFormat,
    encoding: Encoding,
    kept: Kept,
    limits: RenderLimits,
    came: Came,
) -> Encoded:
    encode(picture, target, result, encoding, kept, came)
    size = target.stat().st_size
    if size > limits.max_output_bytes:
        raise OutputTooLarge(f"The result has {size} bytes; at most {limits.max_output_bytes} are made.")
    frames = frames_in(target, result.media_type) if picture.frames > 1 else 1
    return Encoded(picture.width, picture.height, frames, size, result.media_type)
