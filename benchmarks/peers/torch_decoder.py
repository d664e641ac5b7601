# /// script
# dependencies = ["torch==2.13.0", "numpy==2.2.6"]
# ///
"""The decoder of the lab in PyTorch, eager, written plainly: trains steps when told, and says what they took."""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x, cosine, sine):
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(turned(q, cosine, sine), turned(k, cosine, sine), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        gate, value = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * value)


def turned(x, cosine, sine):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], -1)


class Decoder(nn.Module):
    def __init__(self, layers: int, width: int, heads: int, inner: int, length: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.blocks = nn.ModuleList(Block(width, heads, inner) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-6)
        head = width // heads
        angle = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(0, head, 2) / head)
        self.cosine, self.sine = angle.cos(), angle.sin()

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, self.cosine, self.sine)
        return self.norm(x) @ self.embed.weight.T


def main(settings: dict) -> None:
    torch.manual_seed(0)
    length, batch = settings["sequence"], settings["batch"]
    model = Decoder(settings["layers"], settings["width"], settings["heads"], settings["inner"], length)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-15, weight_decay=0.1,
                                  fused=settings["fused"])  # fmt: skip
    windows = torch.randint(0, 256, (batch, length + 1))

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        logits = model(windows[:, :-1]).view(-1, 256)
        loss = functional.cross_entropy(logits, windows[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    for line in sys.stdin:
        begun = time.process_time()
        for _ in range(int(line)):
            loss = step()
        print(json.dumps({"seconds": time.process_time() - begun, "loss": loss}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
