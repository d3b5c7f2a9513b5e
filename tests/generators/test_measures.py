"""Measures of generators against their definitions."""

import numpy as np
import pytest
import torch

from audioae.generators import measures as sounds
from audioae.generators.measures import GenerationReport

RNG = np.random.default_rng(0)
IMAGES = torch.from_numpy(RNG.uniform(-1, 1, (40, 1, 8, 4)).astype(np.float32))
EMBEDDINGS = RNG.normal(size=(40, 3))


def test_a_set_beside_itself() -> None:
    even = np.full((40, 10), 0.1)
    same = GenerationReport(IMAGES, IMAGES, EMBEDDINGS, EMBEDDINGS, even)
    assert sounds.sliced_wasserstein(same) == 0
    assert sounds.frechet_of_sounds(same) == pytest.approx(0, abs=1e-6)
    assert sounds.diversity(same) == pytest.approx(1) and sounds.image_diversity(same) == pytest.approx(1)
    assert sounds.inception_score(same) == pytest.approx(1)  # the classifier is undecided


def test_worse_sounds_have_worse_measures() -> None:
    alike = GenerationReport(IMAGES * 0.1, IMAGES, EMBEDDINGS * 0.1, EMBEDDINGS)
    assert sounds.diversity(alike) == pytest.approx(0.1) and sounds.image_diversity(alike) == pytest.approx(0.1)
    far = GenerationReport(IMAGES + 1, IMAGES, EMBEDDINGS + 2, EMBEDDINGS)
    assert sounds.frechet_of_sounds(far) == pytest.approx(12, rel=1e-6)  # three dimensions, each 2 away
    assert sounds.sliced_wasserstein(far) > sounds.sliced_wasserstein(alike) > 0


def test_classes_that_were_asked_for() -> None:
    sure = np.eye(4)
    assert sounds.class_accuracy(GenerationReport(IMAGES, IMAGES, probabilities=sure, asked=np.array([0, 1, 2, 0]))) == 0.75
    assert np.isnan(sounds.class_accuracy(GenerationReport(IMAGES, IMAGES, probabilities=sure)))
    assert sounds.inception_score(GenerationReport(IMAGES, IMAGES, probabilities=sure)) == pytest.approx(4)
