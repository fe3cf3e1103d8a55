"""Defines the result.json and metrics.csv of small finished runs."""

from __future__ import annotations

from typing import Any

_BOTH = {
    "dataset": "digits",
    "backbone": "small",
    "seed": 0,
    "num_examples": 600,
    "image_size": 8,
    "epochs": 2,
    "uses_labels": False,
    "seconds": 3.5,
    "train_images_per_second": 900.0,
    "machine": {"cpus": 2, "processor": "x86_64", "gpus": 0},
    "finished": "2026-01-02T03:04:05+00:00",
    "versions": {"tensorflow": "2.21.0"},
    "evaluation": {
        "linear": {"epochs": 2, "layers": [{"layer": "a", "sgd_top1": 0.5}]},
        "knn": {"epochs": 2, "top1": 0.5},
    },
    "evaluation_of": {"round_1": {"knn": {"epochs": 1, "top1": 0.25}}},
    "pretrained": {"source": "imagenet", "labels": "ImageNet-1k"},
}
TRAINING = _BOTH | {
    "pretext": "and",
    "rounds": 1,
    "knn_top1_last": 0.5,
    "knn_top5_last": 0.75,
    "knn_top1_best": 0.5,
    "classifier_top1": None,
    "train_accuracy": None,
    "knn_protocol": {
        "K": 200,
        "temperature": 0.1,
        "queries": "digits/test",
        "num_queries": 150,
        "gallery_last": "clean",
        "gallery_best": "memory bank",
    },
    "knn_baselines": {"pixels": 0.25, "random encoder": 0.125},
    "neighbours": {"k": 5, "consistency": 0.5},
    "neighbourhoods": [
        {
            "round": number,
            "epochs": 1,
            "selected": 300.0,
            "consistency": 0.5,
            "consistency_all": 0.5,
            "knn_clean": 0.5,
            "knn_bank": 0.5,
        }
        for number in (0, 1)
    ],
}
CLUSTERING = _BOTH | {
    "kind": "scan",
    "pretext": {
        "run_dir": "runs/digits",
        "checkpoint": "epoch_00002.npz",
        "pretext": "and",
        "backbone": "small",
        "rounds": 1,
        "epochs": 2,
        "encoder_sha256": "0" * 64,
    },
    "clusters": 2,
    "neighbours": 5,
    "neighbours_agreement": {"train": 0.75, "evaluation": 0.5},
    "mining": "features",
    "features": "backbone",
    "frozen": False,
    "augmentation": "strong",
    "heads": 2,
    "head": 0,
    "validation_loss": -0.25,
    "head_losses": [-0.25, -0.125],
    "acc": 0.5,
    "nmi": 0.25,
    "ari": 0.25,
    "acc_top5": 0.75,
    "acc_majority": None,
    "matching": [1, 0],
    "class_names": ["a", "b"],
    "confusion": [[10, 90], [40, 10]],
    "kmeans": {"acc": 0.5, "acc_std": None, "nmi": 0.25, "ari": 0.25,
               "acc_top5": 0.75, "seeds": 1, "features": "clean"},
    "cluster_sizes": [100, 50],
    "clusters_used": 2,
    "without_labels": {"silhouette": 0.5, "heads_agree": 0.5,
                       "neighbours_together": 0.5, "confidence": 0.5,
                       "clusters_used": 2, "largest_cluster": 0.5,
                       "silhouette_of": "clean embeddings"},
    "collapsed": False,
    "prototypes": [5, 6],
    "protocol": {"learns_from": "digits/train", "clusters_from": "classes",
                 "neighbours_from": "cosine", "head_chosen_on": "its loss",
                 "epoch": "lowest loss", "matched_on": "digits/test",
                 "num_queries": 150, "matching": "Hungarian"},
    "after_clustering": {"acc": 0.5, "nmi": 0.25, "ari": 0.25},
    "clustering": {"epochs": 1, "epoch": 1, "head": 0,
                   "head_losses": [-0.25, -0.125], "clusters_used": 2,
                   "collapsed": False},
    "self_labelling": {"epochs": 1, "ended": "settled", "confident": 0.5,
                       "confident_acc": 0.75, "skipped": 0.0,
                       "threshold": 0.99, "balance": True, "ema": 0.0},
}  # fmt: skip
_TOLD = {"count": [0, 150], "confidence": [None, 0.75], "accuracy": [None, 0.5]}
_CLASSIFIED = {
    "held_out_top1": 0.5,
    "held_out_loss": 1.5,
    "temperature": 1.25,
    "test_top1": 0.5,
    "ece": 0.125,
    "ece_uncalibrated": 0.25,
}
FINETUNING = _BOTH | {
    "kind": "finetuning",
    "linear_head": _CLASSIFIED,
    "fine_tuned": _CLASSIFIED | {"epochs": 2, "best_epoch": 1},
    "scratch": None,
    "class_names": ["a", "b"],
    "dataset_labels": [0, 1],
    "per_class": [0.1, 0.8],
    "confusion": [[10, 90], [10, 40]],
    "reliability": {"before": _TOLD, "after": _TOLD},
    "labels": {"from": "digits/train", "available": 450, "fraction": 1.0,
               "used": 450, "learnt_from": 360, "held_out": 90, "test": 150,
               "test_of_other_classes": 0},
    "run": CLUSTERING["pretext"] | {"labels_seen": "none"},
    "protocol": {"labels_drawn": "at random", "chosen_by_held_out": "epoch",
                 "chosen_by_test": "nothing", "test": "digits/test",
                 "linear_head": "softmax", "fine_tuned": "with that head",
                 "scratch": "the same", "batch_size": 64},
}  # fmt: skip
RESULTS: dict[str, dict[str, Any]] = {
    "training": TRAINING,
    "clustering": CLUSTERING,
    "evaluated": {"evaluation": _BOTH["evaluation"]},
}
PAGES = RESULTS | {"finetuning": FINETUNING}
METRICS = (
    "epoch,round,loss,accuracy,learning_rate,images_per_second,seconds,"
    "anchors,consistency,consistency_all,knn_bank,knn_clean,knn_clean_top5\n"
    "0,0,5.5,0.1,0.03,900.0,1.5,0,,,0.5,0.5,0.75\n"
    "1,1,4.5,0.2,0.03,900.0,1.5,300,0.5,0.5,0.5,0.5,0.75\n"
)
