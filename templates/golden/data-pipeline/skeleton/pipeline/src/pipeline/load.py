"""Writes what a run made, all or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from .train import Trained


def load(trained: Trained, output: Path, run: str) -> Path:
    """Writes model, metrics and a manifest to output/<run>. A run that is there already is kept."""
    final = output / run
    if final.exists():
        return final
    output.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=output))
    try:
        trained.model.save(partial)
        (partial / "metrics.json").write_text(json.dumps(trained.metrics, indent=2), encoding="utf-8")
        files = {p.name: checksum(p) for p in sorted(partial.iterdir())}
        (partial / "manifest.json").write_text(json.dumps({"run": run, "files": files}, indent=2), encoding="utf-8")
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return final


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
