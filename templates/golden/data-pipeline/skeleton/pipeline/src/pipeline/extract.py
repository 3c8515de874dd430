"""Reads the input."""

from __future__ import annotations

import csv
from pathlib import Path

from .schema import COLUMNS

Row = dict[str, str]


class ExtractError(RuntimeError):
    """The input can't be used at all."""


def extract(path: Path) -> list[Row]:
    """Gives the rows of a CSV file with a header. Columns that the schema does not name are left out."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise ExtractError(f"{path} lacks the columns {', '.join(missing)}")
            rows = [{c: row[c] or "" for c in COLUMNS} for row in reader]
    except OSError as error:
        raise ExtractError(f"{path} can't be read: {error.strerror}") from error
    if not rows:
        raise ExtractError(f"{path} has no rows")
    return rows
