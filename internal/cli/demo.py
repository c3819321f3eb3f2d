"""`imagectl demo`: shows the service with pictures that the demo draws. Every step is checked."""

import json
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from internal.cli import demo_pictures
from internal.cli.demo_checks import check, check_picture
from internal.cli.ephemeral_service import ephemeral_service
from internal.cli.errors import ServiceProblem
from internal.cli.service_client import IMAGES, ServiceClient

ORIGINALS = {
    "landscape.jpg": (demo_pictures.landscape, "a photograph of 12 megapixels, with a name and a place in its EXIF"),
    "badge.png": (demo_pictures.badge, "a badge with transparency"),
    "ball.gif": (demo_pictures.animation, "an animation of 24 frames"),
}

CHAINS: dict[str, dict[str, str]] = {
    "landscape.jpg": {
        "default": "resize:1600x1600|sharpen",
        "square": "resize:400x400,fit=cover|quality:85",
        "grey-webp": "resize:800x800|grayscale|format:webp",
        "upside-down": "resize:600x|rotate:180|blur:2",
    },
    "badge.png": {"default": "resize:300x300", "on-paper": "resize:300x300|format:jpeg"},
    "ball.gif": {"default": "resize:180x120", "mirrored": "resize:180x120|flop"},
}
"""Picture → rendition → chain."""

EXPECTED = {
    "landscape.jpg": {
        "default": (1600, 1200, "image/jpeg"),
        "square": (400, 400, "image/jpeg"),
        "grey-webp": (800, 600, "image/webp"),
        "upside-down": (600, 450, "image/jpeg"),
    },
    "badge.png": {"default": (300, 300, "image/png"), "on-paper": (300, 300, "image/jpeg")},
    "ball.gif": {"default": (180, 120, "image/gif"), "mirrored": (180, 120, "image/gif")},
}
"""Picture → rendition → expected width, height and media type."""


def run_demo(client: ServiceClient, args: Namespace) -> int:
    """Run the demo with the service at the address, or with an ephemeral service if none answers."""
    if client.ready():
        Demo(client, args.folder).run()
        return 0
    print(f"No service answers at {client.address}: the demo starts one of its own.")
    began = time.perf_counter()
    with ephemeral_service() as (address, key), ServiceClient(address, key) as own:
        print(f"  started: database, API and worker, at {address}, with an API key  ({time.perf_counter() - began:.1f} s)")
        Demo(own, args.folder).run()
    print("The demo's own service has ended, and its data are removed.")
    return 0


class Demo:
    """One run of the demo, which writes its files to `folder`. Raises CommandError at the first wrong result."""

    def __init__(self, client: ServiceClient, folder: Path) -> None:
        self._service = client
        self._folder = folder
        self._originals = folder / "originals"
        self._ids: dict[str, str] = {}

    def run(self) -> None:
        began = time.perf_counter()
        for step in (self._make, self._upload, self._wait, self._fetch, self._refuse, self._list, self._delete):
            step()
        print(f"\nDone in {time.perf_counter() - began:.1f} s. The results are in {self._folder}/")

    def _make(self) -> None:
        _title("Drawing pictures")
        self._originals.mkdir(parents=True, exist_ok=True)
        for name, (make, words) in ORIGINALS.items():
            with _timed() as facts:
                make(self._originals / name)
                facts.append(f"{name}: {words}, {_size((self._originals / name).stat().st_size)}")

    def _upload(self) -> None:
        _title("Uploading them: each upload is answered immediately, and processed in the background")
        for name, chains in CHAINS.items():
            fields = {"processing": chains["default"], "metadata": json.dumps({"from": "the demo"})}
            fields["renditions"] = json.dumps({other: chain for other, chain in chains.items() if other != "default"})
            with _timed() as facts:
                image = self._service.upload(self._originals / name, fields)
                self._ids[name] = image["id"]
                facts.append(f"{name} is stored as {image['id']}, {len(chains)} renditions requested")

    def _wait(self) -> None:
        _title("Waiting until they are processed (Prefer: wait)")
        for name, image_id in self._ids.items():
            with _timed() as facts:
                image = self._service.wait_until_final(image_id, 60)
                check(image["status"] == "processed", f"{name} is {image['status']}: {image['error']}")
                facts.append(f"{name} is processed")

    def _fetch(self) -> None:
        _title("Downloading the renditions")
        for name, expected in EXPECTED.items():
            for rendition, (width, height, kind) in expected.items():
                with _timed() as facts:
                    content, response = self._bytes(f"{IMAGES}/{self._ids[name]}?rendition={rendition}")
                    check(response.headers["content-type"] == kind, f"{rendition} is {response.headers['content-type']}")
                    check_picture(content, width, height, frames=demo_pictures.FRAMES if kind == "image/gif" else 1)
                    file = self._folder / f"{Path(name).stem}-{rendition}.{kind.removeprefix('image/')}"
                    file.write_bytes(content)
                    facts.append(f"{file.name}: {CHAINS[name][rendition]} → {width}x{height}, {_size(len(content))}, no EXIF")
        with _timed() as facts:
            original, _ = self._bytes(f"{IMAGES}/{self._ids['landscape.jpg']}/original")
            check(original == (self._originals / "landscape.jpg").read_bytes(), "the original came back changed")
            facts.append("the original of landscape.jpg comes back byte for byte")

    def _refuse(self) -> None:
        _title("Uploading a file that is not a picture: a text named notes.jpg")
        notes = self._originals / "notes.jpg"
        notes.write_text("These are notes, and not a picture.\n", encoding="utf-8")
        with _timed() as facts:
            try:
                self._service.upload(notes, {})
            except ServiceProblem as refused:
                check(refused.code == "unsupported_media_type", str(refused))
                facts.append(f"refused, and nothing is stored: {refused}")
            else:
                check(False, "a text was accepted as a picture")

    def _list(self) -> None:
        _title("Listing, newest first")
        with _timed() as facts:
            listed = [image["id"] for image in self._service.page(limit=len(self._ids))["items"]]
            check(set(self._ids.values()) <= set(listed), "the list lacks an image")
            facts.append(f"{len(listed)} images are listed")

    def _delete(self) -> None:
        _title("Deleting ball.gif")
        image_id = self._ids["ball.gif"]
        with _timed() as facts:
            facts.append(self._service.delete(image_id)["message"])
        with _timed() as facts:
            try:
                self._service.status(image_id)
            except ServiceProblem as refused:
                check(refused.status == 404, str(refused))
                facts.append("its status is 404 now")
            else:
                check(False, "a deleted image is still there")

    def _bytes(self, path: str) -> tuple[bytes, httpx2.Response]:
        with self._service.download(path) as response:
            return response.read(), response


def _title(words: str) -> None:
    print(f"\n{words}", flush=True)


@contextmanager
def _timed() -> Iterator[list[str]]:
    """Print what the block adds to the list, and the time that the block took."""
    facts: list[Any] = []
    began = time.perf_counter()
    yield facts
    print(f"  {1000 * (time.perf_counter() - began):7.0f} ms  {' '.join(facts)}", flush=True)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{count / 2**10:.0f} kB"
