"""The configuration, read from the environment and checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class ConfigError(ValueError):
    """Everything that is wrong with the configuration."""


@dataclass(frozen=True)
class Config:
    input: Path
    output: Path
    model: str = "framework"
    max_bad_rows: float = 0.05  # share of the rows
    max_error: float = float("inf")  # root mean square error on the held-out rows
    held_out: float = 0.2  # share of the rows
    seed: int = 7


def load_config(env: Mapping[str, str] = os.environ) -> Config:
    problems: list[str] = []

    def text(name: str) -> str:
        value = env.get(name, "")
        if not value:
            problems.append(f"{name} is not set")
        return value

    def number(name: str, default: float, low: float, high: float) -> float:
        raw = env.get(name, "")
        try:
            value = float(raw) if raw else default
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            problems.append(f"{name} must be a number from {low} to {high}, not {raw!r}")
        return value

    model = env.get("PIPELINE_MODEL", "framework")
    if model not in ("framework", "baseline"):
        problems.append(f"PIPELINE_MODEL must be framework or baseline, not {model!r}")
    config = Config(
        input=Path(text("PIPELINE_INPUT")),
        output=Path(text("PIPELINE_OUTPUT")),
        model=model,
        max_bad_rows=number("PIPELINE_MAX_BAD_ROWS", 0.05, 0, 1),
        max_error=number("PIPELINE_MAX_ERROR", float("inf"), 0, float("inf")),
        held_out=number("PIPELINE_HELD_OUT", 0.2, 0.05, 0.9),
    )
    if problems:
        raise ConfigError("; ".join(problems))
    return config
