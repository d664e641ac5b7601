# /// script
# dependencies = ["tensorboardX==2.6.4", "tensorboard==2.20.0", "torch==2.13.0", "numpy<2.4"]
# ///
"""Event files of tensorboardX and of PyTorch's writer: scalars, tensors, settings, texts, histograms, a resumed run."""

from __future__ import annotations

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorboardX
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_BFLOAT16, DT_DOUBLE, DT_FLOAT, DT_HALF, DT_INT64
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import SummaryWriter

out = Path(sys.argv[1])
name = sys.argv[1].rstrip("/").rpartition("/")[2]
files = out / "files"


def single(value: float) -> float:
    """What is left of a number in 32 bits."""
    return float(np.float32(value))


def calm() -> None:
    """No name of the machine in the names of files."""
    for path in sorted(files.rglob("*tfevents*")):
        parts = path.name.split(".")
        path.rename(path.with_name(".".join([*parts[:4], "machine", *parts[5:]]) if len(parts) > 4 else path.name))


runs: list[dict[str, Any]] = []
values = [4.0, 3.1, math.nan, 2.5, math.inf, 1 / 3]
with tensorboardX.SummaryWriter(str(files / "plain")) as writer:
    for i, value in enumerate(values):
        writer.add_scalar("train/loss", value, i * 10)
        writer.add_scalar("lr", 1e-3 / (i + 1), i * 10)
    writer.add_histogram("weights", np.arange(8.0), 0)
    writer.add_text("notes", "first try", 0)
points = {
    "train/loss": [[i * 10, single(v)] for i, v in enumerate(values)],
    "lr": [[i * 10, single(1e-3 / (i + 1))] for i in range(len(values))],
}
runs.append({"name": "plain", "state": "unknown", "config": {"text.notes": "first try"}, "points": points})

with SummaryWriter(str(files / "torch")) as writer:
    for i in range(20):
        writer.add_scalar("loss/valid", 2.0**-i, i)
    settings = {"lr": 3e-4, "layers": 2, "name": "tiny", "tied": True}
    writer.add_hparams(settings, {"hparam/best": 0.75}, run_name="1700000000.5")
torch_points = {"loss/valid": [[i, single(2.0**-i)] for i in range(20)], "hparam/best": [[0, 0.75]]}
config = {"lr": 3e-4, "layers": 2.0, "name": "tiny", "tied": True}
runs.append({"name": "torch", "state": "finished", "config": config, "points": torch_points})

again: list[list[float]] = []
for first in (0, 3):
    with SummaryWriter(str(files / "resumed"), filename_suffix=f".part{first}") as writer:
        for i in range(first, first + 5):
            writer.add_scalar("loss", 10.0 - i - first, i)
            again.append([i, 10.0 - i - first])
runs.append({"name": "resumed", "state": "unknown", "points": {"loss": again}})

kinds = {
    "float": (DT_FLOAT, np.float32(0.1).tobytes(), single(0.1)),
    "double": (DT_DOUBLE, np.float64(0.1).tobytes(), 0.1),
    "half": (DT_HALF, np.float16(0.1).tobytes(), float(np.float16(0.1))),
    "whole": (DT_INT64, np.int64(-7).tobytes(), -7.0),
    "bfloat": (DT_BFLOAT16, np.float32(1.5).tobytes()[2:], 1.5),
}
writer = EventFileWriter(str(files / "tensors"))
tensors: dict[str, list[list[float]]] = {}
for tag, (dtype, content, value) in kinds.items():
    tensor = tensor_pb2.TensorProto(dtype=dtype, tensor_content=content, tensor_shape=TensorShapeProto())
    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, tensor=tensor)])
    writer.add_event(event_pb2.Event(wall_time=1.7e9, step=1 << 40, summary=summary))
    tensors[tag] = [[1 << 40, value]]
listed = tensor_pb2.TensorProto(dtype=DT_FLOAT, float_val=[0.25], tensor_shape=TensorShapeProto())
summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="listed", tensor=listed)])
writer.add_event(event_pb2.Event(wall_time=1.7e9, step=-1, summary=summary))
tensors["listed"] = [[-1, 0.25]]
writer.close()
runs.append({"name": "tensors", "state": "unknown", "points": tensors})

for part in ("train", "validation"):
    with tensorboardX.SummaryWriter(str(files / "keras" / part)) as writer:
        writer.add_scalar("epoch_loss", 1.5, 0)
parts = {"train/epoch_loss": [[0, 1.5]], "validation/epoch_loss": [[0, 1.5]]}
runs.append({"name": "keras", "state": "unknown", "points": parts})
calm()

libraries = {"tensorboardX": version("tensorboardX"), "torch": version("torch").partition("+")[0]}
kept = {"libraries": libraries, "reader": "tensorboard", "runs": runs, "left_out": [["weights", "histogram"]]}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
