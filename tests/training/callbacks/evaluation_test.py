"""When a run is evaluated, and in which gallery."""

from __future__ import annotations

import types

import pytest

from and_tf.method.rounds import Rounds
from and_tf.training.callbacks.evaluation import Evaluation


class FakeKnn:
    """Answers with the number of the call."""

    possible = True
    top5 = 0.95

    def __init__(self):
        self.calls = []

    def wait(self):
        pass

    def queries(self, model):
        self.calls.append("queries")

    def bank(self, model, queries):
        self.calls.append("bank")
        return types.SimpleNamespace(top1=0.5, top5=0.9)

    def clean(self, model, queries):
        self.calls.append("clean")
        return types.SimpleNamespace(top1=0.6, top5=self.top5)


def evaluated(every, plan=(2, 3, 2), knn=None, has_bank=True, **options):
    """The keys that each epoch's logs get."""
    plan = Rounds(*plan)
    knn = knn or FakeKnn()
    evaluation = Evaluation(knn, plan, every, has_bank, **options)
    rows = []
    for epoch in range(plan.epochs):
        rows.append({})
        evaluation.on_epoch_end(epoch, rows[-1])
    return rows


@pytest.mark.parametrize(
    ("every", "bank"), [(0, [1, 4, 7]), (1, range(8)), (3, [1, 2, 4, 5, 7])]
)
def test_bank_as_often_as_asked_clean_where_rounds_end(every, bank):
    rows = evaluated(every)
    assert [i for i, row in enumerate(rows) if "knn_bank" in row] == list(bank)
    assert [i for i, row in enumerate(rows) if "knn_clean" in row] == [1, 4, 7]
    assert rows[-1] == {
        "knn_bank": 0.5,
        "knn_clean": 0.6,
        "knn_clean_top5": 0.95,
    }


def test_nothing_without_labels():
    knn = FakeKnn()
    knn.possible = False
    assert evaluated(1, knn=knn) == [{}] * 8
    assert knn.calls == []


def test_no_top_five_of_few_classes():
    knn = FakeKnn()
    knn.top5 = None
    assert evaluated(0, knn=knn)[-1] == {"knn_bank": 0.5, "knn_clean": 0.6}


def test_no_bank_without_a_test_split():
    knn = FakeKnn()
    knn.bank = lambda model, queries: None
    assert "knn_bank" not in evaluated(1, knn=knn)[-1]


@pytest.mark.parametrize(
    ("every", "clean"), [(0, [3]), (2, [1, 3]), (3, [2, 3])]
)
def test_without_a_bank_the_clean_gallery_comes_as_often(every, clean):
    rows = evaluated(every, (0, 1, 4), has_bank=False)
    assert [i for i, row in enumerate(rows) if "knn_clean" in row] == clean
    assert not any("knn_bank" in row for row in rows)


def test_a_bank_of_clean_embeddings_is_not_computed_again():
    knn = FakeKnn()
    rows = evaluated(0, (0, 1, 4), knn, ends_clean=True)
    assert knn.calls == ["queries", "bank"]
    assert rows[-1] == {
        "knn_bank": 0.5,
        "knn_clean": 0.5,
        "knn_clean_top5": 0.9,
    }
    # Of a round before the last, the bank is one of views.
    knn = FakeKnn()
    evaluated(0, (1, 3, 2), knn, ends_clean=True)
    assert knn.calls == ["queries", "bank", "clean", "queries", "bank"]
