"""The page of an exploration as a browser shows it: Chromium, from a disk."""

from __future__ import annotations

import functools
import io
import json
import pathlib
import subprocess
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from and_tf.data.walking import utf8
from and_tf.exploring import page
from and_tf.utils import escaping
from tests import browser
from tests.exploring import pages
from tests.reporting.browser_test import contrast, luminance

PHONE, DESKTOP = (390, 844), (1280, 900)
VIEWS = "overview images map clusters duplicates issues labels".split()
# Where a wrong quotation would end a text, a tag, a URL or a command.
STRANGE = (
    "-rf.png",
    "<script>attacked=1</script>.png",
    "\"><img src=x onerror=attacked=1>'.png",
    "'; touch attacked; '.png",
    "$(touch attacked)`touch attacked`.png",
    '=1+1,"a".png',
    "a b#c?d%41&amp;.png",
    "deep/er/\\n.png",
    "line\nend.png",
    "\udcff\udc80.png",
    "שלום \u202egnp.png",
    "猫😀.png",
)
TABS = "document.querySelectorAll('nav a')"
TILES = "document.querySelectorAll('.grid .tile')"
FILE = "document.querySelector('.details dd')?.textContent"
SELECTED = "document.querySelector('.selection b')?.textContent ?? ''"


def tile(row: int) -> str:
    return f"document.querySelector('.tile[data-row=\"{row}\"]')"


def button(text: str) -> str:
    return (
        "[...document.querySelectorAll('button')].find(b => "
        f"b.textContent.trim().startsWith({json.dumps(text)}))"
    )


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[browser.Tab]:
    found = browser.find()
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(browser.NAMES)}")
    with browser.tab(found, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[pathlib.Path, pa.Table]:
    """A page with something in every view, in chunks of seven rows."""
    place = tmp_path_factory.mktemp("many")
    shown = pages.many(120)
    pages.save_images(place / "photos", shown["file"].to_pylist())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "CHUNK", 7)
        path = pages.write(place / "explore", shown, place / "photos")
    return path, shown


@pytest.fixture(scope="module")
def strange(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    """A page about files with strange names, and the folder of the files."""
    place = tmp_path_factory.mktemp("strange")
    root = place / "my 'photos' #1"
    paths = pages.save_images(root, STRANGE)
    shown = pages.table(
        len(STRANGE),
        **pages.described(STRANGE, paths),
        label=[utf8(name) for name in STRANGE],
        cluster=[0] * len(STRANGE),
        cluster_name=[utf8(STRANGE[1])] * len(STRANGE),
    )
    return pages.write(place / "explore", shown, root), root


def show(
    tab: browser.Tab,
    path: pathlib.Path,
    view: str = "images",
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
) -> None:
    """Opens a view of a page anew, with nothing selected."""
    tab.open("about:blank", *size)
    tab.open(path.resolve().as_uri() + f"#{view}", *size, dark=dark)
    if tab.evaluate("sessionStorage.length"):
        tab.evaluate("sessionStorage.clear()")
    tab.until("document.querySelector('main > *')")


def assert_quiet(tab: browser.Tab) -> None:
    """Nothing was complained of, and nothing but files was asked for."""
    assert not tab.told("Runtime.exceptionThrown")
    assert not tab.told("Runtime.consoleAPICalled")
    assert not tab.told("Log.entryAdded")
    asked = [e["request"]["url"] for e in tab.told("Network.requestWillBeSent")]
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_view_fits_and_can_be_read(many, tab, size, dark):
    show(tab, many[0], "overview", size, dark)
    names = tab.evaluate(f"[...{TABS}].map(a => a.textContent)")
    assert [name.lower() for name in names] == VIEWS
    for number, view in enumerate(VIEWS):
        tab.evaluate(f"{TABS}[{number}].click()")
        tab.until(f"{TABS}[{number}].ariaCurrent === 'page'")
        tab.until("document.querySelector('main canvas, main .tile')")
        assert tab.evaluate("document.documentElement.scrollWidth") == size[0]
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(paper) < 0.05) == dark
        colours = tab.evaluate(
            "[...document.querySelectorAll('a, h2, p, small, .quiet, label,"
            " .count, b')].filter(e => !e.closest('.selection'))"
            ".map(e => getComputedStyle(e).color)"
        )
        assert min(map(functools.partial(contrast, paper), colours)) >= 4.5
    tab.evaluate(f"{tile(1)}.click()")
    tab.evaluate("document.querySelector('.fold').click()")
    tab.until("document.querySelector('.unfolded') && " + FILE)
    assert tab.evaluate("document.documentElement.scrollWidth") == size[0]
    assert_quiet(tab)


def test_tiles_are_those_of_their_rows(many, tab):
    """Each tile's own sheet has the row's colour where the tile is cut out."""
    show(tab, many[0])
    cut = tab.evaluate(f"""[...{TILES}].map(tile => {{
        const picture = tile.querySelector(".picture").style;
        const [x, y] = picture.backgroundPosition.split(" ").map(parseFloat);
        const side = parseFloat(picture.width);
        return [+tile.dataset.row, picture.backgroundImage,
                Math.round(-x / side), Math.round(-y / side)];
    }})""")
    assert len(cut) > 20
    for row, sheet, column, line in cut:
        number = int(sheet.rpartition("/")[2].partition(".")[0])
        assert row == number * pages.SIDE**2 + line * pages.SIDE + column


def test_a_table_of_names_alone_has_a_page(tmp_path, tab):
    path = pages.write(tmp_path / "explore", pages.table(3))
    show(tab, path, "clusters/x%")  # What is not there leads to the overview.
    names = tab.evaluate(f"[...{TABS}].map(a => a.textContent)")
    assert names == ["Overview", "Images"]
    tab.evaluate("location.hash = '#images'")
    tab.until(f"{TILES}.length === 3")
    tab.evaluate(f"{tile(1)}.click()")
    tab.until(FILE)
    # No neighbours are asked for, where there are none.
    asked = str(tab.told("Network.requestWillBeSent"))
    assert "data.js" in asked and "neighbors" not in asked
    assert not tab.told("Runtime.exceptionThrown")


def test_strange_names_stay_text_and_find_their_files(strange, tab):
    path, _ = strange
    show(tab, path)
    assert tab.evaluate("document.title") == "A <b>title</b>"
    for row, name in enumerate(STRANGE):
        tab.evaluate(f"{tile(row)}.click()")
        tab.until(f"{FILE} === {json.dumps(utf8(name))}")
        # The file itself is shown: each is of another width.
        tab.until("document.querySelector('img.original')?.naturalWidth"
                  f" === {row + 3}")  # fmt: skip
    for view in ("overview", "clusters", "clusters/0", "map"):
        tab.evaluate(f"location.hash = '#{view}'")
    assert tab.evaluate("typeof attacked") == "undefined"
    assert tab.evaluate("document.querySelectorAll('b b, i i').length") == 0
    assert_quiet(tab)


def test_a_script_that_slipped_in_does_not_run(strange, tab):
    show(tab, strange[0])
    tab.evaluate(
        "document.body.insertAdjacentHTML('beforeend',"
        "'<img src=x onerror=\"attacked=1\">');"
        "document.body.append(Object.assign(document.createElement('script'),"
        "{textContent: 'attacked=1'}));"
        "fetch('https://localhost/').catch(() => refused = true)"
    )
    tab.until("window.refused")
    assert tab.evaluate("typeof attacked") == "undefined"
    assert "Content Security Policy" in str(tab.told("Log.entryAdded"))


def test_a_selection_is_saved_as_a_table(many, tab, tmp_path):
    path, shown = many
    show(tab, path)
    for row in (5, 17):
        tab.click(f"{tile(row)}.querySelector('.mark')")
    tab.click(tile(20), modifiers=8)  # Shift: all from the last one to it.
    tab.click(tile(18), modifiers=2)  # Ctrl: it alone, which leaves again.
    assert tab.evaluate(SELECTED) == "4 selected"
    content = tab.download(button("Save as CSV"), tmp_path)
    rows = [5, 17, 19, 20]
    texts = pa.csv.ConvertOptions(column_types={"taken": pa.string()})
    saved = pa.csv.read_csv(io.BytesIO(content), convert_options=texts)
    for line, row in zip(
        saved.to_pylist(), shown.take(rows).to_pylist(), strict=True
    ):
        for name, cell in line.items():
            wanted = row[name]
            if isinstance(wanted, float):
                assert cell == pytest.approx(wanted, rel=1e-6)
            elif isinstance(wanted, list):
                assert cell == "|".join(wanted)
            else:
                assert (cell or None) == (wanted or None), name
    left_out = {"sha256", "neighbors"}
    # These are null throughout.
    left_out |= {"split", "reference_file", "reference_kind"}
    assert set(saved.column_names) == set(shown.column_names) - left_out


def test_strange_names_come_back_from_the_table(strange, tab, tmp_path):
    show(tab, strange[0])
    tab.evaluate(f"{TILES}[0].parentElement.closest('[role=listbox]').focus()")
    tab.press("a", modifiers=2)
    content = tab.download(button("Save as CSV"), tmp_path)
    options = pa.csv.ParseOptions(newlines_in_values=True)
    saved = pa.csv.read_csv(io.BytesIO(content), parse_options=options)
    cells = saved["file"].to_pylist()
    assert cells[5].startswith("'=")  # No formula for a spreadsheet.
    assert [escaping.from_csv(cell) for cell in cells] == [
        utf8(name) for name in STRANGE
    ]


@pytest.mark.parametrize("action", ["move", "link"])
def test_a_script_moves_or_links_files(tab, tmp_path, action):
    root = tmp_path / "my 'photos' $HOME"
    paths = pages.save_images(root, STRANGE)
    contents = {n: open(p, "rb").read() for n, p in zip(STRANGE, paths)}
    names = [utf8(name) for name in STRANGE]
    shown = pages.table(len(names), file=names)
    show(tab, pages.write(tmp_path / "explore", shown, root))
    tab.click(button("Select all"))
    (tmp_path / "saved").mkdir()
    script = tab.download(button(f"Script to {action}"), tmp_path / "saved")
    (tmp_path / "it.sh").write_bytes(script)

    def run() -> subprocess.CompletedProcess[bytes]:
        command = ["sh", "it.sh", "-target"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True)

    first = run()
    assert (first.returncode, first.stderr) == (0, b"")
    target = tmp_path / "-target"
    for name, content in contents.items():
        taken = target / name
        assert taken.read_bytes() == content
        assert (
            taken.is_symlink() == (root / name).exists() == (action == "link")
        )
    found = [p for p in target.rglob("*") if not p.is_dir()]
    assert len(found) == len(STRANGE)
    assert not list(tmp_path.rglob("attacked"))
    again = run()  # Nothing is written over, and what is wrong is said.
    assert again.returncode == 1
    reason = b"missing" if action == "move" else b"there already"
    assert again.stderr.count(reason) == len(STRANGE)
    assert target.joinpath(STRANGE[0]).read_bytes() == contents[STRANGE[0]]


def test_originals_are_beside_their_copies(tab, tmp_path):
    own, theirs = ("a.png", "b.png"), ("old/<b>.png", "old/c.png")
    paths = pages.save_images(tmp_path / "photos", own)
    paths += pages.save_images(tmp_path / "my reference", ("-", *theirs))[1:]
    shown = pages.table(
        4,
        **pages.described((*own, *theirs), paths),
        split=["", "", "reference", "reference"],
        duplicate_group=[0, -1, 0, 0],
        duplicate_kind=["cropped", None, None, "resized"],
        keep=[False, True, True, True],
        reference_file=[theirs[0], None, None, None],
        reference_kind=["cropped", None, None, None],
        x=[0, 1, None, None],
        y=[0, 1, None, None],
    )
    path = pages.write(
        tmp_path / "explore", shown, tmp_path / "photos",
        tmp_path / "my reference", originals=2,
    )  # fmt: skip
    show(tab, path)
    assert tab.evaluate(f"{TILES}.length") == 2
    tab.evaluate("location.hash = '#duplicates'")
    # The files themselves, first the one to keep, each with its own path.
    tab.until("""JSON.stringify(
        [...document.querySelectorAll('.strip .original')].map(
          (image) => [image.closest('.tile').dataset.row, image.naturalWidth])
    ) === '[["2",4],["0",3],["3",5]]'""")
    assert theirs[0] in tab.evaluate(f"{tile(2)}.innerText")
    tab.click(button("Select all to drop"))
    assert tab.evaluate(SELECTED) == "1 selected"
    tab.click(f"{tile(2)}", modifiers=2)  # Ctrl: no original is selected.
    assert tab.evaluate(SELECTED) == "1 selected"
    saved = tab.download(button("Save as CSV"), tmp_path)
    assert saved.count(b"\n") == 2 and b"a.png,reference" not in saved
    tab.click(f"{tile(0)}.querySelector('.picture')")
    tab.until("document.querySelector('.copy .original')?.naturalWidth === 4")
    told = tab.evaluate("document.querySelector('.copy').innerText")
    assert theirs[0] in told and "Cropped copy" in told
    tab.evaluate("location.hash = '#map'")
    tab.until("document.querySelector('canvas')?.width > 300")
    assert_quiet(tab)


def test_keys_alone_are_enough(many, tab):
    show(tab, many[0])
    here = "document.querySelector('.current')?.dataset.row"
    columns = tab.evaluate("document.querySelector('.line').children.length")
    for key, row in [
        ("ArrowRight", 0), ("ArrowRight", 1), ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns), ("ArrowUp", 0), ("End", 119), ("Home", 0),
    ]:  # fmt: skip
        tab.press(key)
        tab.until(f"{here} === '{row}'")
    tab.press(" ")
    tab.press("ArrowRight", modifiers=8)
    assert tab.evaluate(SELECTED) == "2 selected"
    tab.press("Enter")
    tab.until("document.querySelector('.details')")
    tab.press("ArrowRight")  # The details follow.
    tab.until(f"{FILE}?.includes('000002')")
    tab.press("Escape")
    tab.until("!document.querySelector('.details')")
    tab.press("/")
    tab.until("document.activeElement.id === 'query'")
    for letter in "000007":
        tab.press(letter)
    tab.until(f"{TILES}.length === 1")
    tab.press("Escape")
    tab.until(f"{TILES}.length > 1")
    assert tab.evaluate(SELECTED) == "2 selected"
    role, active = tab.evaluate(
        "(list => [list.role, list.getAttribute('aria-activedescendant')])"
        "(document.querySelector('.grid'))"
    )
    assert role == "listbox" and active.startswith("image-")


def test_a_hundred_thousand_images_scroll(tmp_path, tab):
    count = 100_000
    shown = pages.many(count)
    show(tab, pages.write(tmp_path / "explore", shown))
    elements = "document.querySelectorAll('*').length"
    told = tab.evaluate("document.querySelector('.count').textContent")
    assert told == "100,000 images"
    for place in (0.0, 0.37, 1.0):
        tab.evaluate(
            "(grid => grid.scrollTop = grid.scrollHeight * "
            f"{place})(document.querySelector('.grid'))"
        )
        # The rows that lie there by the grid's own arithmetic are drawn.
        tab.until(f"""(() => {{
            const grid = document.querySelector('.grid');
            const first = grid.querySelector('.tile');
            if (!first) return false;
            const columns = first.parentElement.children.length;
            const height = grid.querySelector('.lines').offsetHeight
              / Math.ceil({count} / columns);
            const middle = grid.scrollTop + grid.clientHeight / 2;
            const row = Math.floor(middle / height) * columns;
            return document.querySelector(`[data-row="${{
              Math.min(row, {count} - 1)}}"]`) !== null;
        }})()""")
        assert tab.evaluate(f"{TILES}.length") < 400
        assert tab.evaluate(elements) < 2000
    tab.evaluate("document.querySelector('.grid').focus()")
    tab.press("End")
    tab.until(f"document.querySelector('#image-{count - 1}')")
    tab.evaluate("location.hash = '#map'")
    tab.until("document.querySelector('canvas')?.width > 300")
    coloured = tab.evaluate("""(async () => {
        for (const _ of [1, 2, 3]) await new Promise(requestAnimationFrame);
        const canvas = document.querySelector('canvas');
        const { data } = canvas.getContext('2d')
          .getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((v, i) => i % 4 < 3 && v < 200).length;
    })()""")
    assert coloured > 10_000
    assert_quiet(tab)
    tab.evaluate("location.hash = '#duplicates'")
    tab.until("document.querySelector('.group')")
    assert tab.evaluate(elements) < 2000


def test_a_lasso_selects_what_it_encloses(many, tab):
    path, shown = many
    show(tab, path, "map")
    tab.until("document.querySelector('canvas').width > 300")
    left, top, width, height = tab.evaluate(
        "(({x, y, width, height}) => [x, y, width, height])"
        "(document.querySelector('.plot').getBoundingClientRect())"
    )
    middle = left + width / 2, top + height / 2
    # Around the upper left, where cluster 0 is: Shift draws a lasso.
    corners = [middle, (middle[0], top + 1), (left + 1, top + 1),
               (left + 1, middle[1])]  # fmt: skip
    tab.mouse("Pressed", *corners[0], modifiers=8)
    for corner in corners[1:]:
        tab.mouse("Moved", *corner, modifiers=8)
    tab.mouse("Released", *corners[-1], modifiers=8)
    assert tab.evaluate(SELECTED) == "30 selected"
    tab.evaluate("location.hash = '#images'")
    tab.until(f"{TILES}.length")
    tab.evaluate(
        "(choice => { choice.value = 'selected';"
        " choice.dispatchEvent(new Event('change')) })"
        "(document.querySelector('[aria-label=Subset]'))"
    )
    tab.until(f"{TILES}.length === 30")
    rows = tab.evaluate(f"[...{TILES}].map(tile => +tile.dataset.row)")
    expected = np.flatnonzero(np.array(shown["cluster"]) == 0)
    assert rows == expected.tolist()


def test_points_have_the_colours_of_the_legend(tmp_path, tab):
    # Fewer would be drawn as images.
    path = pages.write(tmp_path / "explore", pages.many(400))
    show(tab, path, "map")
    tab.until("document.querySelector('.legend li i')")
    tab.until("document.querySelector('canvas').width > 300")
    for name in ("label", "outlier_score", "cluster"):
        tab.evaluate(
            f"(choice => {{ choice.value = '{name}';"
            " choice.dispatchEvent(new Event('change')) })"
            "(document.querySelector('.legend select'))"
        )
        tab.until("document.querySelector('.legend .scale, .legend li')")
    # At the end by cluster: in each quarter its own colour is the commonest.
    counts = """(() => {
        const colours = [...document.querySelectorAll('.legend li i')].map(
          i => getComputedStyle(i).backgroundColor.match(/\\d+/g).map(Number));
        const canvas = document.querySelector('canvas');
        const [w, h] = [canvas.width / 2, canvas.height / 2];
        return [[0, 0], [1, 0], [0, 1], [1, 1]].map(([x, y]) => {
          const { data } = canvas.getContext('2d')
            .getImageData(x * w, y * h, w, h);
          const seen = colours.map(() => 0);
          for (let i = 0; i < data.length; i += 4)
            colours.forEach((c, j) => {
              if (c.every((v, k) => Math.abs(v - data[i + k]) < 60)) seen[j]++;
            });
          return seen;
        });
    })()"""
    tab.until(f"{counts}.flat().some(Boolean)")
    seen = np.array(tab.evaluate(counts))
    assert sorted(seen.argmax(1)) == [0, 1, 2, 3]


def test_neighbours_are_those_of_the_table(many, tab):
    path, shown = many
    show(tab, path)
    # In all places of a chunk, as three bytes make four letters of Base64.
    for row in (0, 1, 2, 6, 7, 8, 14, 27):
        ids = shown["neighbors"][row].as_py()["ids"]
        tab.evaluate(f"{tile(row)}.click()")
        tab.until(
            "JSON.stringify([...document.querySelectorAll('.near .tile')]"
            f".map(tile => +tile.dataset.row)) === '{json.dumps(ids)}'".replace(
                ", ", ","
            )
        )
    cosines = tab.evaluate(
        "[...document.querySelectorAll('.near small')].map(e => e.textContent)"
    )
    assert cosines == ["0.99", "0.98", "0.97", "0.96", "0.95"]
    tab.click("document.querySelector('.near .tile')")  # And on from there.
    tab.until(f"{FILE}?.includes('000028')")


def test_duplicates_are_dropped_or_kept_apart(many, tab, tmp_path):
    path, shown = many
    show(tab, path, "duplicates")
    tab.until("document.querySelector('.group .member')")
    tab.click(button("Select all to drop"))
    kept = np.array(shown["keep"])
    assert tab.evaluate(SELECTED) == f"{(~kept).sum()} selected"
    tab.click(button("Not a duplicate"))  # Row 1, of the group of row 0.
    assert tab.evaluate(SELECTED) == f"{(~kept).sum() - 1} selected"
    content = tab.download(button("Save 1 pair"), tmp_path)
    assert content.decode().splitlines() == [
        "file,other_file", "folder/000001.png,folder/000000.png",
    ]  # fmt: skip
    tab.open(path.resolve().as_uri() + "?again#duplicates", *DESKTOP)
    tab.until("document.querySelector('.group .member')")
    # A reload has lost nothing.
    assert tab.evaluate(SELECTED) == f"{(~kept).sum() - 1} selected"
    assert tab.evaluate(f"{button('Save 1 pair')} !== undefined")


def test_issues_labels_and_clusters_lead_to_their_images(many, tab):
    path, shown = many
    columns = {name: shown[name].to_pylist() for name in shown.column_names}

    def rows() -> list[int]:
        return tab.evaluate(f"[...{TILES}].map(tile => +tile.dataset.row)")

    show(tab, path, "issues/odd_size")
    dark = [i for i, each in enumerate(columns["issues"]) if "odd_size" in each]
    tab.until(f"{TILES}.length === {len(dark)}")
    assert rows() == dark
    show(tab, path, "labels")
    doubted = np.flatnonzero(columns["is_label_issue"])
    tab.until(f"{TILES}.length === {len(doubted)}")
    scores = np.array(columns["label_score"])  # The least likely one first.
    assert rows() == doubted[np.argsort(scores[doubted])].tolist()
    show(tab, path, "clusters/1")
    members = np.flatnonzero(np.array(columns["cluster"]) == 1)
    tab.until(f"{TILES}.length === {len(members)}")
    key = np.array(columns["cluster_probability"]) + 2 * np.array(
        columns["is_prototype"]
    )
    assert rows() == members[np.argsort(-key[members])].tolist()


def test_a_search_takes_all_words_in_any_form(tmp_path, tab):
    names = ["Café/one.png", "Cafe\u0301/two.png", "tea/one.png"]
    path = pages.write(
        tmp_path / "explore", pages.table(3, file=names, label=["x", "y", "y"])
    )
    show(tab, path)
    for query, found in [
        ("CAFÉ", [0, 1]), ("y one", [2]), ("one", [0, 2]), ("none", []),
    ]:  # fmt: skip
        tab.evaluate(
            "(input => { input.value = " + json.dumps(query) + ";"
            " input.dispatchEvent(new Event('input')) })"
            "(document.getElementById('query'))"
        )
        tab.until(f"JSON.stringify([...{TILES}].map(t => +t.dataset.row))"
                  f" === '{json.dumps(found).replace(' ', '')}'")  # fmt: skip
