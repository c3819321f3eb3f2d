"""Pillow as its manual has it, in a process for each picture at once: `python -m bench.peers.pillow < order > outcome`."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import PIL
from PIL import Image, features

from bench.peers.order import Order, Outcome, result_of
from bench.programs import give_outcome, taken_order


def main() -> None:
    order = taken_order(Order)
    numbers = range(len(order.sources))
    with ProcessPoolExecutor(order.at_once, multiprocessing.get_context("spawn")) as processes:
        list(processes.map(_make, [order] * order.at_once, numbers))
        began = time.perf_counter()
        cpu = sum(processes.map(_make, [order] * len(numbers), numbers))
        seconds = time.perf_counter() - began
    jpeg = f"libjpeg-turbo {features.version('libjpeg_turbo')}" if features.check("libjpeg_turbo") else "libjpeg"
    give_outcome(Outcome(seconds, cpu, f"Pillow {PIL.__version__} ({jpeg}, libwebp {features.version('webp')})"))


def _make(order: Order, number: int) -> float:
    """One picture; returns its CPU seconds. `thumbnail` has the JPEG decoder shrink to no less than twice the size."""
    cpu = time.process_time()
    settings = {"optimize": True} if order.format == "jpeg" else {"method": 4}
    with Image.open(order.sources[number]) as image:
        image.thumbnail((order.side, order.side), Image.Resampling.LANCZOS)
        image.save(result_of(order.folder, number), order.format, quality=order.quality, **settings)
    return time.process_time() - cpu


if __name__ == "__main__":
    main()
