"""Covariance matrices and contingency tables from noisy sums and counts."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gateway.models.asked import Model
from gateway.models.elimination import entry
from gateway.models.solving import Array, matrix
from gateway.models.sums import NORMAL_95, Sums, score


def covariance(model: Model, sums: Sums, middle: Array, half: Array) -> dict[str, object]:
    """Return means, covariances and correlations with intervals.

    The matrix is the nearest that can be one: negative eigenvalues become 0 (Higham 1988); intervals are around it.
    """
    count = len(model.features)
    rows, rows_deviation = sums.values["m0_0"], sums.deviations["m0_0"]
    if rows <= 2 * rows_deviation or rows <= 0:
        return {"means": [], "covariance": [], "correlation": [], "clear": False}
    dims = range(1, count + 1)
    first = np.array([sums.values[entry("m", 0, d)] for d in dims]) / rows
    raw = matrix(sums.values, "m", dims) / rows - np.outer(first, first)
    eigenvalues, vectors = np.linalg.eigh(raw)
    whole = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
    wide = score(model.confidence)
    mean_wide = wide * np.array(
        [math.hypot(sums.deviations[entry("m", 0, d)], first[d - 1] * rows_deviation) for d in dims]
    ) / rows  # fmt: skip
    means = [_bar(model.features[i], middle[i] + half[i] * first[i], half[i] * mean_wide[i]) for i in range(count)]
    cells, correlations = [], []
    for i, j in itertools.combinations_with_replacement(range(count), 2):
        off = wide * _deviation(sums, raw, first, i, j)
        named = {"row": model.features[i], "column": model.features[j]}
        scale = float(half[i] * half[j])
        cells.append({**named, **_ends(float(whole[i, j]) * scale, off * scale)})
        if i != j:
            spread = math.sqrt(max(float(whole[i, i] * whole[j, j]), 0.0))
            value = min(max(float(whole[i, j]) / spread, -1.0), 1.0) if spread > 0 else None
            correlations.append({**named, "estimate": value})
    return {"means": means, "covariance": cells, "correlation": correlations, "clear": True}


def _deviation(sums: Sums, raw: Array, first: Array, i: int, j: int) -> float:
    """Return the deviation of (S_ij / n - S_i S_j / n^2) to first order, with the noise of each sum by itself."""
    rows = sums.values["m0_0"]
    own = sums.deviations[entry("m", i + 1, j + 1)]
    by_rows = (raw[i, j] - first[i] * first[j]) * sums.deviations["m0_0"]
    if i == j:
        sides = [2 * first[i] * sums.deviations[entry("m", 0, i + 1)]]
    else:
        sides = [first[j] * sums.deviations[entry("m", 0, i + 1)], first[i] * sums.deviations[entry("m", 0, j + 1)]]
    return math.hypot(own, by_rows, *sides) / rows


def contingency(model: Model, stored: Mapping[str, Any]) -> dict[str, object]:
    """Return the cells of a contingency table, the sums along each feature and the total, each with its interval.

    Sums are over the cells that are shown; where none is, nothing is said of them, and the table is not clear.
    """
    width = len(model.features)
    bars = stored["intervals"]["columns"]["cell_count"]
    cells: list[dict[str, object]] = []
    margins: list[dict[Any, list[float]]] = [{} for _ in range(width)]
    total = [0.0, 0.0]
    for row, ends in zip(stored["rows"], bars, strict=True):
        *values, counted = row
        deviation = (float(ends[1]) - float(ends[0])) / 2 / NORMAL_95
        cells.append({"values": values, **_ends(float(counted), score(model.confidence) * deviation)})
        for margin, value in zip(margins, values, strict=True):
            kept = margin.setdefault(value, [0.0, 0.0])
            kept[0] += float(counted)
            kept[1] += deviation**2
        total[0] += float(counted)
        total[1] += deviation**2
    wide = score(model.confidence)
    return {
        "features": list(model.features),
        "cells": cells,
        "margins": {
            name: [{"value": value, **_ends(kept[0], wide * math.sqrt(kept[1]))} for value, kept in margin.items()]
            for name, margin in zip(model.features, margins, strict=True)
        },
        "total": _ends(total[0], wide * math.sqrt(total[1]))
        if cells
        else {"estimate": None, "low": None, "high": None},
        "clear": bool(cells),
    }


def _ends(value: float, wide: float) -> dict[str, object]:
    return {"estimate": value, "low": value - wide, "high": value + wide}


def _bar(name: str, value: float, wide: float) -> dict[str, object]:
    return {"name": name, **_ends(float(value), float(wide))}
