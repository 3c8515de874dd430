"""Checks every row against the schema."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from .extract import Row
from .schema import COLUMNS, LIMITS

Record = dict[str, float]


class ValidateError(RuntimeError):
    """Too much of the input is bad to go on with the rest."""


@dataclass(frozen=True)
class Validated:
    records: list[Record]
    rejected: int
    reasons: dict[str, int]


def validate(rows: list[Row], max_bad_rows: float) -> Validated:
    """Gives the rows that fit the schema, and counts why the others don't."""
    records: list[Record] = []
    reasons: Counter[str] = Counter()
    for row in rows:
        record, reason = _read(row)
        if record is None:
            reasons[reason] += 1
        else:
            records.append(record)
    rejected = len(rows) - len(records)
    if not records or rejected > max_bad_rows * len(rows):
        most = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        raise ValidateError(f"{rejected} of {len(rows)} rows are bad: {most}")
    return Validated(records, rejected, dict(reasons))


def _read(row: Row) -> tuple[Record | None, str]:
    record: Record = {}
    for column in COLUMNS:
        try:
            value = float(row[column])
        except ValueError:
            return None, f"{column} is not a number"
        low, high = LIMITS[column]
        if not math.isfinite(value) or not low <= value <= high:
            return None, f"{column} is out of range"
        record[column] = value
    return record, ""
