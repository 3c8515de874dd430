"""The models: one on ${{ values.framework }}, and a baseline that any model has to beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

Matrix = list[list[float]]
Vector = list[float]


class Model(Protocol):
    def fit(self, features: Matrix, target: Vector) -> None: ...

    def predict(self, features: Matrix) -> Vector: ...

    def save(self, folder: Path) -> None:
        """Writes the model to files in a folder that exists."""


def create(kind: str, seed: int) -> Model:
    return Baseline() if kind == "baseline" else FrameworkModel(seed)


class Baseline:
    """Predicts the mean of what it has seen."""

    def __init__(self) -> None:
        self.mean = 0.0

    def fit(self, features: Matrix, target: Vector) -> None:
        self.mean = sum(target) / len(target)

    def predict(self, features: Matrix) -> Vector:
        return [self.mean] * len(features)

    def save(self, folder: Path) -> None:
        (folder / "baseline.json").write_text(json.dumps({"mean": self.mean}), encoding="utf-8")
{% if values.framework == "pytorch" %}

class FrameworkModel:
    """A small neural network. Inputs are scaled with what was seen in training."""

    def __init__(self, seed: int) -> None:
        import torch

        torch.manual_seed(seed)
        self.torch = torch
        self.network = None

    def fit(self, features: Matrix, target: Vector) -> None:
        torch = self.torch
        x, y = torch.tensor(features), torch.tensor(target).unsqueeze(1)
        self.x_mean, self.x_scale = x.mean(0), x.std(0, unbiased=False).clamp_min(1e-9)
        self.y_mean, self.y_scale = y.mean(0), y.std(0, unbiased=False).clamp_min(1e-9)
        x, y = (x - self.x_mean) / self.x_scale, (y - self.y_mean) / self.y_scale
        self.network = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)
        )
        optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)
        for _ in range(300):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(self.network(x), y).backward()
            optimizer.step()

    def predict(self, features: Matrix) -> Vector:
        with self.torch.no_grad():
            x = (self.torch.tensor(features) - self.x_mean) / self.x_scale
            return (self.network(x) * self.y_scale + self.y_mean).squeeze(1).tolist()

    def save(self, folder: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "x_mean": self.x_mean,
            "x_scale": self.x_scale,
            "y_mean": self.y_mean,
            "y_scale": self.y_scale,
        }
        self.torch.save(state, folder / "model.pt")
{%- elif values.framework == "xgboost" %}

class FrameworkModel:
    """Gradient boosted trees."""

    def __init__(self, seed: int) -> None:
        import xgboost

        self.regressor = xgboost.XGBRegressor(n_estimators=200, max_depth=4, learning_rate=0.1, random_state=seed)

    def fit(self, features: Matrix, target: Vector) -> None:
        self.regressor.fit(features, target)

    def predict(self, features: Matrix) -> Vector:
        return [float(y) for y in self.regressor.predict(features)]

    def save(self, folder: Path) -> None:
        self.regressor.save_model(folder / "model.ubj")
{%- else %}

class FrameworkModel:
    """Gradient boosted trees."""

    def __init__(self, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.regressor = HistGradientBoostingRegressor(random_state=seed)

    def fit(self, features: Matrix, target: Vector) -> None:
        self.regressor.fit(features, target)

    def predict(self, features: Matrix) -> Vector:
        return [float(y) for y in self.regressor.predict(features)]

    def save(self, folder: Path) -> None:
        import joblib

        joblib.dump(self.regressor, folder / "model.joblib")
{%- endif %}
