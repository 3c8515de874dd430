"""Runs the pipeline once. Exit code 0 on success, 1 if a stage failed, 2 if the configuration is wrong."""

from __future__ import annotations

import json
import sys
import time

from .config import Config, ConfigError, load_config
from .extract import extract
from .load import checksum, load
from .model import create
from .train import train
from .validate import validate


def log(event: str, **fields: object) -> None:
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "service": ${{ values.name | dump }}, "event": event}
    print(json.dumps({**line, **fields}), flush=True)


def run(config: Config) -> None:
    rows = extract(config.input)
    log("extracted", rows=len(rows))
    valid = validate(rows, config.max_bad_rows)
    log("validated", rows=len(valid.records), rejected=valid.rejected, reasons=valid.reasons)
    trained = train(
        valid.records,
        create(config.model, config.seed),
        held_out=config.held_out,
        max_error=config.max_error,
        seed=config.seed,
    )
    log("trained", **trained.metrics)
    where = load(trained, config.output, f"{config.model}-{checksum(config.input)[:16]}")
    log("loaded", output=str(where))


def main() -> int:
    try:
        config = load_config()
    except ConfigError as error:
        log("failed", stage="config", reason=str(error))
        return 2
    try:
        run(config)
    except Exception as error:
        stage = type(error).__name__.removesuffix("Error").lower()
        log("failed", stage=stage, reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
