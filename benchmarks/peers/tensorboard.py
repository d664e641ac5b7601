# /// script
# dependencies = ["tensorboardX==2.6.4", "tbparse==0.0.9", "tensorboard==2.20.0", "pandas<3", "numpy<2.4"]
# ///
"""TensorBoard's event files, written by tensorboardX and read by tbparse."""

from __future__ import annotations

from tbparse import SummaryReader
from tensorboardX import SummaryWriter


def write(folder, records):
    writer = SummaryWriter(str(folder / "run"))
    for step, values in records:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
    writer.close()


def read(folder):
    return SummaryReader(str(folder)).scalars


def rows(table):
    return zip(table["tag"], table["step"], table["value"])


KINDS = {"tensorboard": ("tbparse", write, read, rows)}
