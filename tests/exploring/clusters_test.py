"""Clusters, their number, and the numbers and names that they keep."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from and_tf.exploring import clusters
from and_tf.utils.errors import InputError

SIZES = (40, 25, 15)


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three groups on the unit sphere, and the group of each row."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), SIZES)
    rows = np.eye(8)[truth] + rng.normal(0, 0.05, (len(truth), 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), truth


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = {*zip(one.tolist(), other.tolist(), strict=True)}
    return len(pairs) == len({*one.tolist()}) == len({*other.tolist()})


def kept(
    found: clusters.Clusters, files: list[str], names: list[str]
) -> clusters.Kept:
    return clusters.Kept(
        found.centres,
        np.array(files),
        found.assigned,
        np.array(names),
        np.zeros(0, np.float32),
        np.zeros((0, 0), np.float32),
        np.array("mark"),
    )


def test_k_means_finds_groups_and_is_sure_of_them(blobs):
    rows, truth = blobs
    found = clusters.by_kmeans(rows, 3, seed=0)
    assert same_partition(found.assigned, truth)
    assert found.probability.min() > 0.99
    # Prototypes are the rows with the highest cosine to their group's mean.
    for cluster in range(3):
        members = np.flatnonzero(found.assigned == cluster)
        mean = rows[members].mean(0)
        nearest = members[np.argsort(-rows[members] @ mean)[:10]]
        shown = np.flatnonzero(found.is_prototype & (found.assigned == cluster))
        assert {*shown} == {*nearest}


def test_a_row_between_two_centres_is_unsure():
    centres = np.eye(2, dtype=np.float32)
    rows = np.array([[1, 0], [0.9, 0.44], [0.71, 0.70], [0, 1]], np.float32)
    sure = clusters.assign(rows, centres, ["", ""]).probability
    assert sure[0] > sure[1] > sure[2]
    assert sure[2] == pytest.approx(0.5, abs=0.1)


def test_the_number_of_groups_is_proposed(blobs):
    counts, scores = clusters.silhouettes(blobs[0], seed=0)
    tried = dict(zip(counts.tolist(), scores.tolist(), strict=True))
    count = clusters.propose(tried)
    assert count == 3
    assert tried[3] == max(tried.values())


def test_hdbscan_leaves_out_what_is_in_no_group(blobs):
    rows, truth = blobs
    rng = np.random.default_rng(1)
    strays = rng.normal(size=(4, 8)).astype(np.float32)
    strays /= np.linalg.norm(strays, axis=1, keepdims=True)
    found = clusters.by_hdbscan(np.concatenate([rows, strays]))
    assert len(found.names) == 3
    assert same_partition(found.assigned[:80], truth)
    assert (found.assigned[80:] == clusters.NONE).any()
    assert not found.is_prototype[found.assigned < 0].any()


def test_clusters_keep_numbers_and_names_among_more_images(blobs):
    rows, truth = blobs
    files = [f"{n}.png" for n in range(80)]
    before = clusters.by_kmeans(rows[::2], 3, seed=0)
    old = kept(before, files[::2], ["cats", "", "dogs"])
    now = clusters.as_before(clusters.by_kmeans(rows, 3, seed=5), files, old)
    assert now.names == ("cats", "", "dogs")
    np.testing.assert_array_equal(now.assigned[::2], before.assigned)
    assert same_partition(now.assigned, truth)
    for cluster in range(3):
        mean = rows[now.assigned == cluster].mean(0)
        cosine = now.centres[cluster] @ mean / np.linalg.norm(mean)
        assert cosine == pytest.approx(1, abs=1e-5)


def test_a_cluster_that_is_split_gives_its_name_to_one_part(blobs):
    rows, _ = blobs
    files = [f"{n}.png" for n in range(80)]
    whole = clusters.assign(rows, rows.mean(0, keepdims=True), [""])
    old = kept(whole, files, ["everything"])
    now = clusters.as_before(clusters.by_kmeans(rows, 3, seed=0), files, old)
    # No part has more than half of it: the largest has 40 of 80.
    assert now.names == ("", "", "")


def test_names_of_users_and_of_labels(blobs):
    rows, truth = blobs
    found = clusters.assign(rows, np.eye(8, dtype=np.float32)[:3], [""] * 3)
    named = clusters.name(found, {1: "mine"})
    labels = ["cat" if t < 2 else None for t in truth]
    labels[70] = "owl"
    named = clusters.names_from_labels(named, labels)
    assert named.names == ("cat", "mine", "owl")
    with pytest.raises(InputError, match="clusters from 0 to 2"):
        clusters.name(found, {3: "x"})


def test_a_label_without_a_majority_names_no_cluster():
    rows = np.tile(np.eye(2, dtype=np.float32)[0], (4, 1))
    found = clusters.assign(rows, rows[:1], [""])
    named = clusters.names_from_labels(found, ["a", "a", "b", "b"])
    assert named.names == ("",)


def test_kept_clusters_are_read_as_they_were_written(blobs, tmp_path):
    found = clusters.by_kmeans(blobs[0], 3, seed=0)
    found.assigned[0] = clusters.NONE
    names = ["a", "ü", ""]
    old = kept(found, [f"{n}.png" for n in range(80)], names)
    path = tmp_path / "clusters.npz"
    clusters.write(path, old)
    again = clusters.read(path)
    for name, value in dataclasses.asdict(old).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert clusters.read(tmp_path / "none.npz") is None


@pytest.mark.parametrize("damage", ["cut", "number", "length"])
def test_damaged_clusters_are_told(blobs, tmp_path, damage):
    path = pathlib.Path(tmp_path / "clusters.npz")
    found = clusters.by_kmeans(blobs[0], 3, seed=0)
    files = [f"{n}.png" for n in range(80)]
    if damage == "number":
        found.assigned[0] = 3
    if damage == "length":
        files = files[1:]
    clusters.write(path, kept(found, files, ["", "", ""]))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="Delete it to find clusters anew"):
        clusters.read(path)


def test_names_are_read_from_a_table(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text('cluster,name,size\n0,cats,3\n2,"dogs, large",1\n')
    assert clusters.read_names(str(path)) == {0: "cats", 2: "dogs, large"}
    path.write_text("cluster,name\none,cats\n")
    with pytest.raises(InputError, match="'one' is no number of a cluster"):
        clusters.read_names(str(path))
