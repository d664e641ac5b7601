"""Brandfonbrener et al. 2024: laws of six training sets, and the losses of models twenty times larger."""

from __future__ import annotations

from collections.abc import Iterator

from similitude._view import Interval
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import datasets
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# E, A, alpha, B, beta of the loss on C4, printed prediction and measurement for 3.3 billion parameters
PRINTED = {
    "fineweb-100b": ("2.2852", "1812.25", "0.4347", "6189.87", "0.4436", "2.5277"),
    "slimpajama-chunk1": ("2.4558", "994.6", "0.3865", "6957.5", "0.4539", "2.7608"),
    "starcoder": ("3.0012", "1091.0", "0.4002", "2475.5", "0.3806", None),
}
CODE = "authors' released fits"


def claims(seed: int) -> Iterator[Item]:
    law, runs = get("chinchilla"), datasets.load("loss-to-loss")
    for corpus, (*printed, forecast) in PRINTED.items():
        mine = runs.where(train_dataset=corpus)
        found = fit(law, mine.where(split="fit"), delta=1e-3)
        for name, digits in zip(("E", "A", "alpha", "B", "beta"), printed):
            ours = Interval(found.values[name], *found.ends[name])
            yield measured(
                f"{name} of the loss on C4, trained on {corpus}", str(digits), CODE, ours, interval="90 % profile"
            )
        if forecast is None:
            continue
        large = mine.where(split="extrapolation")
        at = {k: float(large.column(k)[0]) for k in ("N", "D")}
        told = found.predict(**at)
        truth = float(large.column("loss")[0])
        reach = f"{told.extrapolation:.0f} times the compute"
        remark = f"measured {truth:.4f}: the law foretells a higher loss than was reached, at {reach}"
        yield measured(f"forecast for 3.3e9 parameters, {corpus}", forecast, CODE, told.value, remark=remark)


STUDY = Declaration("brandfonbrener2024", "Loss-to-loss prediction", "brandfonbrener2024", ("loss-to-loss",), claims)
