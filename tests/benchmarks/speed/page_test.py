"""The page, the targets and the files that they are made of."""

from __future__ import annotations

import json

import pytest

from and_tf.utils.errors import InputError
from benchmarks.speed import imagenet, page, plot, record, registry, targets
from benchmarks.speed.comparison import Case, Comparison, Side, Target

OURS, PEER, BOUND = "ours", "peer", "bound"


def made(
    figures: dict[str, list[float]],
    target: Target | None = None,
    *,
    name: str = "loss",
    title: str = "N = 50,000",
    unit: str = "ms",
    series: bool = False,
) -> dict:
    """A file's content, as if it had been measured."""
    case = Case(title, {}, target)
    sides = tuple(Side(n, dict) for n in figures)
    comparison = Comparison(
        name, "T", "D.", unit, sides, [case], [], series=series
    )
    found = {
        "versions": {"numpy": "2.4"},
        "sides": [
            {"name": n, "note": "", "difference": None, "figures": values}
            for n, values in figures.items()
        ],
    }
    content = record.of(
        comparison, [case], [found],
        threads=2, repeats=3, quick=False, load=0.5,
    )  # fmt: skip
    return json.loads(json.dumps(content))


def test_the_page_is_what_the_committed_files_say():
    found = record.read_all(list(registry.BY_NAME), record.RESULTS)
    assert record.PAGE.read_text("utf-8") == page.render(found), (
        "Run python -m benchmarks.speed --nomeasure."
    )


def test_committed_files_are_of_comparisons_in_full_size():
    names = {path.stem for path in record.RESULTS.glob("*.json")}
    assert names <= {*registry.BY_NAME}
    for file in record.read_all(list(registry.BY_NAME), record.RESULTS):
        cases = [case.title for case in registry.BY_NAME[file["name"]].cases]
        assert [case["title"] for case in file["cases"]] == cases
        assert "--quick" not in file["command"]


@pytest.mark.parametrize(
    "unit, target, best, text, reached",
    [
        # 10, at best, beside 30: three times as fast where it is time.
        ("ms", Target(2, (PEER,)), "3.00 ×", "≥ 2 ×", "yes"),
        ("images/s", Target(0.3, (PEER,)), "0.500 ×", "≥ 0.3 ×", "yes"),
        ("images/s", Target(0.6, (PEER,)), "0.500 ×", "≥ 0.6 ×", "no"),
        ("s", Target(3, (BOUND,), more=True), "6.00 s", "≤ 3 s beyond it",
         "no"),
        ("s", Target(10), "10.0 s", "≤ 10 s", "by the best turns alone"),
        ("images/s", Target(20), "20.0 images/s", "≥ 20 images/s",
         "by the best turns alone"),
        ("ms", Target(0.3, (PEER, BOUND)), "0.400 ×", "≥ 0.3 ×", "yes"),
        ("ms", Target(2, (OURS,), of=BOUND), "2.50 ×", "≥ 2 ×", "yes"),
    ],
)  # fmt: skip
def test_outcomes(unit, target, best, text, reached):
    figures = {OURS: [10.0, 12.0, 20.0], PEER: [30.0, 33.0, 40.0],
               BOUND: [4.0, 5.0, 6.0]}  # fmt: skip
    (case,) = made(figures, target, unit=unit)["cases"]
    found = targets.outcome(case, unit)
    assert (found.best, found.text, found.reached) == (best, text, reached)


def test_a_page_tells_ratios_differences_and_circumstances():
    file = made({OURS: [10.0, 12.0], PEER: [30.0, 33.0]}, Target(2, (PEER,)))
    file["cases"][0]["sides"][1]["difference"] = 3e-7
    text = page.render([file])
    (row,) = (line for line in text.splitlines() if "| 30.0 " in line)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[2:] == ["30.0", "31.5", "3.00", "2.86", "3e-07"]
    for words in ("numpy 2.4", "2 threads", "load 0.5", "--only=loss`"):
        assert words in text


def test_turns_that_follow_one_another_are_told_one_by_one():
    text = page.section(
        made({OURS: [900.0, 1000.0, 1005.0, 1010.0]}, series=True)
    )
    assert "900, 1,000, 1,005, 1,010 ms" in text
    assert "From the second to the last: +1.0 %" in text


def test_growth_is_drawn_over_n(tmp_path):
    file = made({OURS: [5.0], PEER: [7.0]}, name="growth_step")
    file["cases"].append({**file["cases"][0], "title": "N = 100,000"})
    assert plot.curves(file) == {
        OURS: [(50_000, 5.0), (100_000, 5.0)],
        PEER: [(50_000, 7.0), (100_000, 7.0)],
    }
    assert plot.draw([file], tmp_path / "speed.png")
    assert "![](speed.png)" in page.render([file])
    assert not plot.draw([], tmp_path / "none.png")


@pytest.mark.parametrize(
    ("titles", "over", "expected"),
    [
        (
            ["N = 1,000, k = 1", "N = 50,000, k = 1", "N = 50,000, k = 10"],
            "N, rows of the bank",
            {"k = 1": [1_000, 50_000], "k = 10": [50_000]},
        ),
        (
            ["1 replicas, bank whole", "2 replicas, bank sharded"],
            "replicas",
            {"bank whole": [1], "bank sharded": [2]},
        ),
    ],
)
def test_cases_of_two_kinds_are_curves_of_their_own(
    tmp_path, titles, over, expected
):
    file = made({OURS: [5.0]}, name="growth_refresh")
    file["cases"] = [{**file["cases"][0], "title": t} for t in titles]
    assert plot.over(file) == over
    assert plot.curves(file) == {
        name: [(n, 5.0) for n in numbers] for name, numbers in expected.items()
    }
    assert plot.draw([file], tmp_path / "speed.png")


def test_imagenet_on_paper():
    files = [
        made({OURS: [200.0]}, name="product", unit="GFLOP/s"),
        made({OURS: [30.0]}, name="training_step", unit="images/s"),
        made({OURS: [20.0], PEER: [15.0], BOUND: [10.0]}, name="loss"),
        made({OURS: [8.0], BOUND: [2.0]}, name="refresh", unit="s"),
    ]
    assert imagenet.section(files[:3]) == ""
    shares = imagenet.efficiencies(files)
    assert shares["network"] == pytest.approx(0.5013)
    assert (shares["loss"], shares["search"]) == (0.5, 0.25)
    step, exchange = imagenet.step_seconds(1, shares)
    assert exchange == 0
    # 128 · (24.54e9 / 0.5013 + 4 · 1,281,167 · 128 / 0.5) / 1e14
    assert step == pytest.approx(0.0643, rel=1e-2)
    for gpus in (8, 64):
        assert imagenet.step_seconds(gpus, shares)[1] > exchange
        exchange = imagenet.step_seconds(gpus, shares)[1]
    # 2 · 1,281,167² · 128 / 0.25 / 1e14 s
    assert "| 0.280 " in imagenet.section(files)


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (12.34, "12.3"),
     (1234.5, "1,234")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert targets.number(value) == text


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="--only among .*Received: nothing"):
        registry.choose(["loss", "nothing"])
    chosen = registry.choose(["refresh", "loss"])
    assert [comparison.name for comparison in chosen] == ["loss", "refresh"]
