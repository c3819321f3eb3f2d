"""Path of the project, which config/, migrations/ and the data folder are relative to."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The project's folder: the repository, or its copy in the image."""
