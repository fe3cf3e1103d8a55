"""Describes an exported encoder: its origin, its input and its output."""

from __future__ import annotations

from typing import Any

from and_tf.finetuning.finetuned import Finetuned
from and_tf.scan.clustering import Clustering
from and_tf.training.run import Run
from and_tf.training.run_directory import versions
from export.exportable import Exportable


def describe(run: Exportable) -> dict[str, Any]:
    """Returns the origin, input and output of an encoder, as JSON values.

    Args:
        run: The run, clustering or fine-tuning that the encoder belongs to.
    """
    if isinstance(run, Clustering):
        return _describe_clustering(run)
    if isinstance(run, Finetuned):
        return _describe_finetuned(run)
    return _describe_run(run)


def _describe_run(run: Run) -> dict[str, Any]:
    result = run.directory.read_result() or {}
    history = run.checkpoint.metadata["history"]
    return {
        "image_size": run.image_size,
        **run.form.description,
        "embedding_dim": run.embedding_dim,
        "run_dir": str(run.directory.path),
        "dataset": run.config.dataset,
        "pretext": run.config.pretext,
        "backbone": run.config.encoder,
        "epochs": run.checkpoint.epochs,
        "seed": run.config.seed,
        "knn_top1": history[-1].get("knn_clean") if history else None,
        "knn_protocol": result.get("knn_protocol"),
        "versions": versions(),
    }


def _describe_clustering(run: Clustering) -> dict[str, Any]:
    result = run.result
    embedding = "the features that the heads see, at unit norm"
    if run.keeps_projection:
        embedding = "the encoder's, after its projection"
    names_from = "their numbers, as no labels were known"
    if result["matching"] is not None:
        names_from = (
            "the classes that clusters were matched to, on the labels of "
            f"{result['protocol']['matched_on']}"
        )
    return {
        "kind": result["kind"],
        "image_size": run.image_size,
        **run.form.description,
        "embedding_dim": run.embedding_dim,
        "embedding": embedding,
        "clusters": len(run.cluster_names),
        "cluster_names": list(run.cluster_names),
        "cluster_names_from": names_from,
        "run_dir": str(run.directory.path),
        "dataset": result["dataset"],
        "pretext": result["pretext"],
        "epochs": run.checkpoint.epochs,
        "seed": result["seed"],
        "acc": result["acc"],
        "protocol": result["protocol"],
        "versions": versions(),
    }


def _describe_finetuned(run: Finetuned) -> dict[str, Any]:
    result = run.result
    return {
        "kind": result["kind"],
        "image_size": run.image_size,
        **run.form.description,
        "embedding_dim": run.embedding_dim,
        "embedding": "the features that the classifier sees, at unit norm",
        "class_names": list(run.class_names),
        "temperature": result["fine_tuned"]["temperature"],
        "run_dir": str(run.directory.path),
        "dataset": result["dataset"],
        "pretrained": result["pretrained"],
        "run": result["run"],
        "labels": result["labels"],
        "seed": result["seed"],
        "test_top1": result["fine_tuned"]["test_top1"],
        "protocol": result["protocol"],
        "versions": versions(),
    }
