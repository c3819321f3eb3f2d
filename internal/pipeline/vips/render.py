"""Renderer: load, operate, encode. The only place that decodes. It runs in the sandbox's children and nowhere else (G7).

1. sanitize the container without libvips (loaders/), 2. check the header against the limits, 3. decode the pixels, scaled down if
the chain begins with that, upright and in 8 bit sRGB (load.py), 4. operations, 5. encoding.

Steps 3 to 5 stream in one pass, row by row, as long as each step reads every row once. The picture is held in memory before a
step that does not, where it is needed twice, and, unless it is very large, before it is encoded as PNG, WebP or GIF (encode.py).
So all rows are decoded, and damage shows even in rows that a crop drops.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from internal.domain.errors import InvalidProcessing, OutputTooLarge, ServiceError
from internal.pipeline.containers.formats import FORMATS, USUAL_QUALITY, Encoding, OutputFormat, alternative_format, output_format
from internal.pipeline.language.chain import Chain
from internal.pipeline.vips.decode_errors import capture_warnings, translate_errors
from internal.pipeline.vips.encode import InputTraits, encode
from internal.pipeline.vips.facts import extract_facts
from internal.pipeline.vips.load import count_frames, is_representative, load, open_source, restrict_libvips, small_copy
from internal.pipeline.vips.loaders.source import Header, Source
from internal.pipeline.vips.metadata import ResultMetadata, select_metadata
from internal.pipeline.vips.picture import Picture
from internal.ports.sandbox import Encoded, Facts, Rendered, RenderJob, RenderLimits

__all__ = ["render", "restrict_libvips"]


def render(job: RenderJob, chain: Chain, scratch: Path) -> Rendered:
    """Render `job`. `chain` is its parsed pipeline; `scratch` is a folder for temporary files, which are removed.

    Raises InvalidImage, ImageTooLarge, UnsupportedMediaType, InvalidProcessing, OutputTooLarge and DecoderOutOfMemory.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    with translate_errors(job.media_type):
        with capture_warnings() as warnings:
            encoded, alternative, facts = _rendered(job, chain, scratch)
        if warnings.damage:
            _require_whole(job, chain, scratch)
    return Rendered(encoded, alternative, facts, time.perf_counter() - wall, time.process_time() - cpu)


def _rendered(job: RenderJob, chain: Chain, scratch: Path) -> tuple[Encoded, Encoded | None, Facts | None]:
    """INVARIANT: when this returns, the original is closed, and libvips has emitted its warnings
    (tests/unit/pipeline/containers/test_jpeg_ends.py::test_data_that_end_early_at_an_eoi_are_refused).
    """
    with open_source(job.source, job.media_type, job.limits, scratch, "source") as source:
        result = output_format(chain.format, job.media_type, has_alpha=source.header.has_alpha)
        picture = load(source, chain, result)
        metadata = select_metadata(source, picture, chain.encoding.keep if result.profile else frozenset())
        facts: Facts | None = None
        if job.want_facts:
            picture = picture.in_memory()
            shown = picture if is_representative(source.header, chain) else small_copy(source)
            facts = extract_facts(shown, source.dimensions, has_alpha=source.header.has_alpha)
        if chain.references:
            picture = replace(picture, overlays=_overlays(job, chain, source.header, scratch))
        picture = _apply_operations(picture, chain, job.limits)
        other = alternative_format(chain.alternative, result, frames=picture.frames) if job.alternative else None
        picture = picture if other is None else picture.in_memory()
        gif_bytes = job.source.stat().st_size if job.media_type == FORMATS["gif"].media_type else None
        traits = InputTraits(source.header.colours, gif_bytes, source.header.palette)
        encoded = _encode_file(picture, job.target, result, chain.encoding, metadata, job.limits, traits)
        alternative = _alternative(picture, job, other, chain.encoding, metadata, traits, encoded) if other else None
    return encoded, alternative, facts


def _require_whole(job: RenderJob, chain: Chain, scratch: Path) -> None:
    """Raises InvalidImage if the decoder invented missing parts of the original or of an overlay."""
    with open_source(job.source, job.media_type, job.limits, scratch, "source") as source:
        source.require_whole()
    for name in chain.references:
        with _open_overlay(job, name, job.limits, scratch) as source:
            source.require_whole()


def _apply_operations(picture: Picture, chain: Chain, limits: RenderLimits) -> Picture:
    """The picture after all operations. It is held in memory once, before the first operation that does not stream."""
    streams = True
    for operation in chain.operations:
        if streams and not operation.streams:
            picture, streams = picture.in_memory(), False
        _check_output_size(
            operation.target_size(picture.width, picture.height) or (1, 1), picture.frames, limits
        )  # before the work
        picture = operation.apply(picture)
        _check_output_size((picture.width, picture.height), picture.frames, limits)
    return picture


def _check_output_size(size: tuple[int, int], frames: int, limits: RenderLimits) -> None:
    if size[0] * size[1] * frames > limits.max_output_pixels:
        raise OutputTooLarge(f"The result would be {size[0]}x{size[1]}; the limit is {limits.max_output_pixels} pixels.")


def _overlays(job: RenderJob, chain: Chain, header: Header, scratch: Path) -> dict[str, Picture]:
    """The chain's overlays by image id. Together with the original they have at most `max_pixels`."""
    overlays: dict[str, Picture] = {}
    remaining = job.limits.max_pixels - header.pixels
    for name in chain.references:
        overlays[name] = _overlay(job, name, msgspec.structs.replace(job.limits, max_pixels=remaining), scratch)
        remaining -= overlays[name].width * overlays[name].height
    return overlays


def _overlay(job: RenderJob, reference: str, limits: RenderLimits, scratch: Path) -> Picture:
    """The overlay's first frame, upright, in memory."""
    if reference not in job.overlays:
        raise InvalidProcessing(f"The watermark's image {reference} does not exist.")
    with _open_overlay(job, reference, limits, scratch) as source:
        return load(source, Chain(), FORMATS["png"]).in_memory()


@contextmanager
def _open_overlay(job: RenderJob, reference: str, limits: RenderLimits, scratch: Path) -> Iterator[Source]:
    """The overlay's open file. Errors name the overlay."""
    overlay = job.overlays[reference]
    try:
        with (
            translate_errors(overlay.media_type),
            open_source(overlay.path, overlay.media_type, limits, scratch, "overlay") as source,
        ):
            yield source
    except ServiceError as error:
        raise type(error)(f"The watermark's image {reference}: {error.detail}") from error


def _alternative(
    picture: Picture,
    job: RenderJob,
    other: OutputFormat,
    encoding: Encoding,
    metadata: ResultMetadata,
    traits: InputTraits,
    fallback: Encoded,
) -> Encoded | None:
    """The second file of `format:auto`. None, and no file, if it is not smaller than the fallback or can't be encoded."""
    if job.alternative is None:
        return None
    try:
        with translate_errors(job.media_type):
            encoded = _encode_file(picture, job.alternative, other, _scale_quality(other, encoding), metadata, job.limits, traits)
        if encoded.size < fallback.size:
            return encoded
    except OutputTooLarge:
        pass
    job.alternative.unlink(missing_ok=True)
    return None


def _scale_quality(other: OutputFormat, encoding: Encoding) -> Encoding:
    """The requested quality, which is on the scale of JPEG and WebP, converted to the scale of `other`."""
    if encoding.quality is None or other.quality is None:
        return encoding
    return msgspec.structs.replace(encoding, quality=max(1, round(encoding.quality * other.quality / USUAL_QUALITY)))


def _encode_file(
    picture: Picture,
    target: Path,
    result: OutputFormat,
    encoding: Encoding,
    metadata: ResultMetadata,
    limits: RenderLimits,
    traits: InputTraits,
) -> Encoded:
    encode(picture, target, result, encoding, metadata, traits)
    size = target.stat().st_size
    if size > limits.max_output_bytes:
        raise OutputTooLarge(f"The result has {size} bytes; the limit is {limits.max_output_bytes}.")
    frames = count_frames(target, result.media_type) if picture.frames > 1 else 1
    return Encoded(picture.width, picture.height, frames, size, result.media_type)
