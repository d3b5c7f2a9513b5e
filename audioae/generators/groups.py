"""Clusters of similar images, on which an unconditional generator and its critic are conditioned.

A generator from one Gaussian blends different kinds of images. With the cluster as an input of generator and critic, it
learns each kind by itself (Liu et al., "Diverse image generation via self-conditioned
GANs", 2020).
"""

import warnings

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

SIDE = 16
"""Rows and columns of the images that are clustered."""
COMPONENTS = 60
"""Principal components for clustering. Each is divided by the square root of its singular value, so that the content counts
besides speaker and room, which vary most."""
QUIET = -0.9
"""Mean of an image's column, from -1 to 1, at which a sound begins and ends."""
ROUNDS = 50


class Groups(nn.Module):
    """Images ``(B, 1, H, W)`` in [-1, 1] to the index of the nearest group.

    Images are compared from the start to the end of the sound, so that its position and length do not matter.

    Args:
        count: G, number of groups.

    Attributes:
        shares: share of the training images in each group, ``(G,)``.
    """

    mean: Tensor
    plane: Tensor
    centres: Tensor
    shares: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(SIDE * SIDE))
        self.register_buffer("plane", torch.zeros(SIDE * SIDE, COMPONENTS))
        self.register_buffer("centres", torch.zeros(count, COMPONENTS))
        self.register_buffer("shares", torch.full((count,), 1 / count))

    @torch.no_grad()
    def fit(self, images: Tensor, seed: int = 0) -> None:
        """Cluster images ``(M, 1, H, W)`` by k-means; with fewer images than groups, some remain empty."""
        seen = _compared(images).cpu()
        self.mean.copy_(seen.mean(0))
        _, values, plane = torch.linalg.svd(seen - seen.mean(0), full_matrices=False)
        kept = (values > 1e-4 * values[0]).sum().clamp(max=COMPONENTS)
        self.plane.zero_()
        self.plane[:, :kept] = (plane[:kept].T / values[:kept].sqrt()).to(self.plane)
        places = self._places(images).cpu().double().numpy()
        count = min(len(self.centres), len(np.unique(places, axis=0)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about empty groups
            centres, _ = kmeans2(places, count, iter=ROUNDS, minit="++", rng=np.random.default_rng(seed))
        # With fewer images than groups, the remaining groups are copies of the first, which gets all images.
        self.centres[:] = torch.from_numpy(centres[0])
        self.centres[:count] = torch.from_numpy(centres)
        counts = torch.bincount(self(images), minlength=len(self.shares))
        self.shares.copy_(counts / len(images))

    def forward(self, images: Tensor) -> Tensor:
        """Indices of the groups ``(B,)``."""
        return torch.cdist(self._places(images), self.centres).argmin(1)

    def drawn(self, numbers: Tensor) -> Tensor:
        """Normal random numbers ``(B,)`` to groups ``(B,)``, with probabilities ``shares``."""
        within = torch.special.ndtr(numbers.float())
        return torch.bucketize(within, self.shares.cumsum(0)[:-1], right=True)

    def _places(self, images: Tensor) -> Tensor:
        return (_compared(images) - self.mean) @ self.plane


def _compared(images: Tensor) -> Tensor:
    """Images ``(B, 1, H, W)`` to ``(B, SIDE * SIDE)``: the sound alone, resized to equal length."""
    found = []
    for image in images[:, 0].float():
        active = (image.mean(0) > QUIET).nonzero()[:, 0]
        if len(active):
            image = image[:, int(active[0]) : int(active[-1]) + 1]
        stretched = interpolate(image[None], size=SIDE, mode="linear")
        found.append(adaptive_avg_pool2d(stretched[None], (SIDE, SIDE)).flatten())
    return torch.stack(found)
