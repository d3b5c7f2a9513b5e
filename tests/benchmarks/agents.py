"""Processor time of live streams by how many share a batch, for recipes/report/agents.md."""

import argparse
import time

import numpy as np
from tables import table

SECONDS = 2


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    import torch

    from audioae.runtime.batch import Batch

    torch.set_num_threads(1)
    rows: list[list[object]] = []
    for rate in (16_000, 48_000):
        batch = Batch("conv_dae", rate)
        chunk = rate // 50
        for count in (1, 4, 16, 50):
            streams = [batch.open() for _ in range(count)]
            noise = np.random.default_rng(0).normal(0, 0.05, (count, chunk)).astype(np.float32)
            took = []
            for _ in range(50 * SECONDS + 5):
                begin = time.process_time()
                batch.feed(list(zip(streams, noise, strict=True)))
                took.append(time.process_time() - begin)
            share = float(np.mean(took[5:])) * 50  # the first ones warm up
            rows.append([rate, count, 1000 * batch.latency_samples / rate, share / count, int(count / share)])
    table(["rate", "streams in a batch", "latency ms", "share of a core per stream", "streams per core"], rows)


if __name__ == "__main__":
    main()
