"""Processor time of live streams by how many share a batch, for recipes/report/agents.md, by torch and by onnxruntime."""

import argparse
import os
import time

import numpy as np
from tables import table

CHUNKS, BLOCKS = 20, 6
"""Chunks of 20 ms in a block, and blocks, of which the fastest counts."""


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"

    import audioae
    from audioae.runtime.batch import Batch

    rows: list[list[object]] = []
    for backend in ("torch", "onnx"):
        model = audioae.load("conv_dae", backend=backend)
        for rate in (16_000, 48_000):
            for count in (1, 4, 16, 50):
                batch = Batch(model, rate)
                streams = [batch.open() for _ in range(count)]
                noise = np.random.default_rng(0).normal(0, 0.05, (count, rate // 50)).astype(np.float32)
                took = []
                for _ in range(BLOCKS):
                    begin = time.process_time()
                    for _ in range(CHUNKS):
                        batch.feed(list(zip(streams, noise, strict=True)))
                    took.append(time.process_time() - begin)
                share = 50 * min(took[1:]) / CHUNKS  # the first one warms up
                latency = 1000 * batch.latency_samples / rate
                rows.append([backend, rate, count, latency, share / count, int(count / share)])
    table(["backend", "rate", "streams in a batch", "latency ms", "share of a core per stream", "streams per core"], rows)


if __name__ == "__main__":
    main()
