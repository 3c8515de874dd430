"""Fits a model and measures it on rows that it has not seen."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from .model import Baseline, Model
from .schema import FEATURES, TARGET
from .validate import Record


class TrainError(RuntimeError):
    """The model is not good enough to be used."""


@dataclass(frozen=True)
class Trained:
    model: Model
    metrics: dict[str, float]


def train(records: list[Record], model: Model, *, held_out: float, max_error: float, seed: int) -> Trained:
    """The split depends on the seed and the records alone, so that a repeated run measures the same."""
    if len(records) < 2:
        raise TrainError("a model needs at least two rows: one to learn from, one to be measured on")
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    cut = min(max(1, round(len(shuffled) * held_out)), len(shuffled) - 1)
    test, learn = shuffled[:cut], shuffled[cut:]

    model.fit(*_split(learn))
    baseline = Baseline()
    baseline.fit(*_split(learn))
    metrics = {
        "rows": float(len(records)),
        "rmse": _rmse(model, test),
        "baseline_rmse": _rmse(baseline, test),
    }
    if not metrics["rmse"] <= max_error:
        raise TrainError(f"the error on held-out rows is {metrics['rmse']:.4g}, the limit is {max_error:.4g}")
    return Trained(model, metrics)


def _split(records: list[Record]) -> tuple[list[list[float]], list[float]]:
    return [[r[f] for f in FEATURES] for r in records], [r[TARGET] for r in records]


def _rmse(model: Model, records: list[Record]) -> float:
    features, target = _split(records)
    errors = [(p - t) ** 2 for p, t in zip(model.predict(features), target, strict=True)]
    return math.sqrt(sum(errors) / len(errors))
