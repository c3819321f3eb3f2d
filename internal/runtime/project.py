"""Where the project lies: config/, migrations/ and the data folder are found from here."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The project's folder: the repository, or what was copied of it into the image."""
