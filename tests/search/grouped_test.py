"""What a search on an accelerator compiles, holds and fetches."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

from and_tf.evaluation.votes import Votes
from and_tf.search import device
from and_tf.search import grouped as module
from and_tf.search.products import full_precision
from and_tf.utils.errors import InputError
from tests.conftest import unit

SIZES = {"f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "pred": 1}


def few_at_a_time(monkeypatch, num_rows, k, temperature, queries):
    """Has slices of so many queries."""
    each = module.bytes_each(num_rows, k, temperature is not None)
    monkeypatch.setattr(device, "UNKNOWN_BYTES", queries * each)


@pytest.mark.parametrize("temperature", [None, 0.1])
def test_one_function_and_one_fetch_a_slice(
    rng, monkeypatch, fetches, temperature
):
    """203 queries, 64 at a time: the last slice is padded, not traced anew."""
    few_at_a_time(monkeypatch, 500, 5, temperature, 64)
    module._compiled.cache_clear()
    rows = tf.constant(unit(rng.normal(size=(500, 8))), tf.float32)
    for _ in range(2):
        found = module.search(rows[:203], None, rows, 5, temperature)
        assert [len(a) for a in found] == [203] * len(found)
    words = 2 * 5 + (temperature is not None)
    assert fetches == [(56, words)] * 4 * 2
    assert module._compiled.cache_info().misses == 1


def entry_buffers(function, *arguments) -> list[int]:
    """Bytes of all that a compiled function's steps write, from its HLO."""
    compiler_ir = function.experimental_get_compiler_ir(*arguments)
    text = compiler_ir(stage="optimized_hlo")
    entry = text[text.index("\nENTRY") :]
    assert "parameter(0)" in entry
    sizes = []
    for line in entry.splitlines()[1:]:
        made = re.match(r"\s*(?:ROOT )?%?\S+ = (.*?) (\S+)\(", line)
        # Views, and not buffers of their own.
        views = r"parameter|constant|bitcast|tuple|get-tuple-element"
        if made is None or re.fullmatch(views, made[2]):
            continue
        for kind, shape in re.findall(r"(\w+)\[([\d,]*)\]", made[1]):
            numbers = np.prod([int(n) for n in shape.split(",") if n])
            sizes.append(SIZES.get(kind, 1) * int(numbers))
    return sizes


@pytest.mark.parametrize(
    ("k", "entropies", "classes"), [(1, True, 0), (10, True, 0), (10, False, 9)]
)
def test_a_slice_holds_its_products_once(k, entropies, classes):
    """All else that it writes is a fraction of them, within the formula.

    No masked products are written, and no ballots of single neighbours. What
    XLA writes for a CPU beside that are the weights of the entropies: it
    computes no exponential twice. For a GPU it adds them up unwritten.
    """
    queries, num_rows, dim = 64, 16_000, 4
    votes = Votes(np.zeros(num_rows, int), 0.1, classes) if classes else None
    others = votes.tensors() if votes else ()
    # Not the compiled slice itself: of a concrete function there is no HLO.
    concrete = module._compiled(
        module._Shape(queries, num_rows, dim, k, entropies),
        votes.on_device() if votes else None,
        tuple(tf.TensorSpec(t.shape, t.dtype) for t in others),
    ).function
    sizes = entry_buffers(
        tf.function(concrete, autograph=False, jit_compile=True),
        tf.zeros([queries, dim]),
        tf.zeros([queries], tf.int64),
        tf.zeros([num_rows, dim]),
        tf.constant(0.1),
        *others,
    )
    products = 4 * queries * num_rows
    weights = 3 if entropies else 0
    assert sizes.count(products) == 1 + weights
    assert max(sizes) == products
    formula = queries * module.bytes_each(num_rows, k, entropies, votes)
    assert sum(sizes) - weights * products <= formula


@pytest.mark.parametrize("k", [1, 10, 200])
def test_a_million_rows_need_little_more_than_their_products(k):
    """With an H100's 4 GiB, some 750 queries at a time."""
    each = module.bytes_each(1_281_167, k, True)
    assert 4 * 1_281_167 < each < 1.25 * 4 * 1_281_167
    step = device.rows_at_a_time(1_281_167, each, device.MOST_BYTES)
    assert 600 < step < 840
    assert step * 1_281_167 < 2**31


@pytest.mark.parametrize("exact", [True, False])
def test_full_precision_is_compiled_in(exact):
    """The setting is read when XLA compiles; `search` sets it before."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    assert enabled()
    multiply = tf.function(
        lambda x: tf.matmul(x, x, transpose_b=True), jit_compile=True
    )
    x = tf.zeros([8, 8])
    if exact:
        with full_precision():
            text = multiply.experimental_get_compiler_ir(x)(stage="hlo")
    else:
        text = multiply.experimental_get_compiler_ir(x)(stage="hlo")
    assert ("operand_precision={highest,highest}" in text) == exact


def test_every_slice_is_called_in_full_precision(rng, monkeypatch):
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    seen, compiled = [], module._compiled

    def watched(*arguments):
        found = compiled(*arguments)

        def function(*tensors):
            seen.append(enabled())
            return found.function(*tensors)

        return found._replace(function=function)

    monkeypatch.setattr(module, "_compiled", watched)
    few_at_a_time(monkeypatch, 60, 2, None, 16)
    rows = tf.constant(unit(rng.normal(size=(60, 8))), tf.float32)
    module.search(rows, np.arange(60), rows, 2, None)
    assert seen == [False] * 4


def test_goes_on_with_less_where_memory_is_in_pieces(rng, monkeypatch):
    rows = tf.constant(unit(rng.normal(size=(60, 8))), tf.float32)
    expected = module.search(rows, np.arange(60), rows, 3, 0.1)
    tried, search = [], module._search

    def short_of_memory(*arguments):
        tried.append(arguments[-1])
        if tried[-1] > 16:
            raise tf.errors.ResourceExhaustedError(None, None, "no room")
        return search(*arguments)

    monkeypatch.setattr(module, "_search", short_of_memory)
    found = module.search(rows, np.arange(60), rows, 3, 0.1)
    assert tried == [64, 32, 16]
    np.testing.assert_array_equal(found[1], expected[1])


def test_refuses_where_there_is_no_memory_at_all(monkeypatch):
    def no_memory(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "no room")

    monkeypatch.setattr(module, "_search", no_memory)
    rows = tf.zeros([60, 8])
    with pytest.raises(InputError, match="room on .*CPU:0 to search 60 rows"):
        module.search(rows, None, rows, 3, None)


def test_rows_longer_than_the_queries(rng):
    """Exponents stay in float32 where products exceed a query's square."""
    queries = tf.constant(unit(rng.normal(size=(9, 8))), tf.float32)
    rows = tf.constant(30 * rng.normal(size=(70, 8)), tf.float32)
    *_, entropy = module.search(queries, None, rows, 1, 0.1)
    logits = queries.numpy().astype(float) @ rows.numpy().T / 0.1
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)
    np.testing.assert_allclose(entropy, -terms.sum(1), atol=1e-4)
