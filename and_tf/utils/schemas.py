"""Defines the schemas of files, as far as the project reads them.

Every version has written the fields without a default. Files may have more
fields than those named here, and keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Numbers = dict[str, Any]  # Figures of protocols, which check them.
SCAN = "scan"  # The "kind" of a clustering; a training has none.


class Evaluations(Struct):
    """The result.json of a run that was evaluated before its end."""

    evaluation: dict[str, Numbers] = {}
    evaluation_of: dict[str, dict[str, Numbers]] = {}


class Round(Struct):
    """A round in result.json; round 0 is instance learning."""

    round: int
    epochs: int | None = None
    selected: float | None = None
    consistency: float | None = None
    consistency_all: float | None = None
    knn_clean: float | None = None
    knn_bank: float | None = None


class Pretrained(Struct):
    """The origin of a run's first weights, in result.json."""

    source: str
    labels: str


class Finished(Evaluations):
    """The part of result.json that trainings and clusterings share."""

    epochs: int = 0
    seconds: float = 0.0
    seed: int = 0
    dataset: str = ""
    backbone: str = ""
    num_examples: int = 0
    image_size: int | None = None
    uses_labels: bool | None = None
    train_images_per_second: float = 0.0
    finished: str = ""
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}


class Neighbours(Struct):
    """The neighbours that a run without epochs found in the end."""

    k: int
    consistency: float | None


class Teacher(Struct):
    """The encoder that a run has learnt from."""

    encoder: str
    source: str
    labels: str
    image_size: int
    dim: int
    file: str | None = None
    sha256: str | None = None


class KnnProtocol(Struct):
    """The protocol of kNN figures."""

    K: int
    temperature: float
    queries: str
    gallery_last: str
    gallery_best: str


class TrainingResult(Finished, kw_only=True):
    """The result.json of a training."""

    pretext: str = ""
    knn_top1_last: float | None
    knn_top1_best: float | None
    knn_protocol: KnnProtocol | None
    neighbourhoods: list[Round]
    knn_top5_last: float | None = None
    knn_top1_learnt: float | None = None
    classifier_top1: float | None = None
    train_accuracy: float | None = None
    train_cosine: float | None = None
    distillation_weight: float | None = None
    discovered_in: str | None = None
    pretrained: Pretrained | None = None
    teacher: Teacher | None = None
    neighbours: Neighbours | None = None
    knn_baselines: dict[str, float] = {}


class Matching(Struct):
    """The protocol of a clustering's figures."""

    matched_on: str
    num_queries: int


class Accuracy(Struct):
    """The figures of one way of clustering in result.json."""

    acc: float | None = None
    nmi: float | None = None
    ari: float | None = None


class SelfLabelling(Struct):
    """The end of self-labelling, in result.json."""

    epochs: Count = 0
    ended: str | None = None
    confident: float | None = None
    threshold: float | None = None


class WithoutLabels(Struct):
    """The figures of a clustering in result.json that need no label."""

    silhouette: float | None = None
    heads_agree: float | None = None
    neighbours_together: float | None = None
    confidence: float | None = None
    clusters_used: float | None = None
    largest_cluster: float | None = None


class ClusteringResult(Finished, kw_only=True):
    """The result.json of a clustering."""

    pretext: dict[str, Any] | str | None = None  # The pretext of its run.
    pretrained: Pretrained | None = None  # Of the encoder of its run.
    cluster_sizes: list[int]
    acc: float | None
    protocol: Matching
    kmeans: Accuracy | None
    nmi: float | None = None
    ari: float | None = None
    acc_majority: float | None = None
    clusters: Count = 0
    head: Count = 0
    validation_loss: float | None = None
    matching: list[int] | None = None
    confusion: list[list[int]] | None = None
    class_names: list[str] | None = None
    clusters_used: int = 0
    collapsed: bool = False
    self_labelling: SelfLabelling | None = None
    after_clustering: Accuracy | None = None
    without_labels: WithoutLabels | None = None


class Classified(Struct):
    """The figures of one classifier of a fine-tuning in result.json."""

    held_out_top1: float
    temperature: float
    test_top1: float | None = None
    ece: float | None = None
    ece_uncalibrated: float | None = None


class Reliability(Struct):
    """A calibration curve in result.json: how often answers are right."""

    count: list[Count]
    confidence: list[float | None]
    accuracy: list[float | None]


class FinetuningResult(Finished, kw_only=True):
    """The result.json of a fine-tuning."""

    fine_tuned: Classified
    linear_head: Classified
    scratch: Classified | None
    class_names: list[str]
    labels: dict[str, Any]
    run: dict[str, Any] | None = None  # The run that was fine-tuned.
    # Older files have here what is in `run` now.
    pretrained: dict[str, Any] | None = None
    teacher: Teacher | None = None
    reliability: dict[str, Reliability] | None = None
    dataset_labels: list[int] | None = None
    per_class: list[float | None] | None = None
    confusion: list[list[int]] | None = None


def of_result(result: object) -> Any:
    """Returns the schema for a result.json.

    Args:
        result: The content of the file, which may be anything.
    """
    if not isinstance(result, dict):
        return Evaluations
    if not set(result) - {"evaluation", "evaluation_of"}:
        return Evaluations
    if "fine_tuned" in result:
        return FinetuningResult
    return ClusteringResult if is_clustering(result) else TrainingResult


def is_clustering(content: Mapping[str, Any]) -> bool:
    """Returns whether a file is that of a clustering, not of a training.

    Args:
        content: The content of a result.json, or the JSON in a checkpoint.
    """
    return content.get("kind") == SCAN


class LinearLayer(Struct):
    """The figure of a linear classifier on one layer."""

    layer: str
    sgd_top1: float | None


class Linear(Struct):
    """The linear protocol's figures in result.json."""

    layers: list[LinearLayer]


class CheckpointMetadata(Struct):
    """The JSON in a checkpoint, of trainings and of clusterings."""

    format: Count
    epochs: Count
    step: Count = 0
    arrays: dict[str, Count] | None = None
    history: list[dict[str, Any]] = []
    seconds: float = 0.0
    num_examples: Count = 0
    encoder: dict[str, Any] = {}
    baselines: dict[str, float] = {}
    pretrained: Pretrained | None = None
    teacher: Teacher | None = None
    teacher_rows: str | None = None  # The digest of what was learnt.
    data: str | None = None


class Task(Struct):
    """The part of TF_CONFIG that says which process this one is."""

    type: str
    index: int | str


class TfConfig(Struct):
    """The content of TF_CONFIG."""

    cluster: dict[str, list[str]]
    task: Task


class Tracked(Struct):
    """The ids of a run at the trackers that it was sent to."""

    wandb: str = ""
    mlflow: str = ""


class Claim(Struct):
    """A claim on a run of a sweep."""

    host: str = "?"
    process: int | None = None
    machine: str = ""


class Sidecar(Struct):
    """The JSON beside a table of embeddings."""

    count: int = 0
    images: str = ""
    root: str = ""
    data_dir: str = ""
    image_key: str = ""
    model: str = ""
    model_fingerprint: str = ""
    channels: int = 3
    pixel_range: list[list[float]] | None = None


class EncoderNote(Struct):
    """The encoder.json beside an exported encoder, as far as it is read."""

    image_size: int
    channels: int = 3
    pixel_range: list[list[float]] | None = None
