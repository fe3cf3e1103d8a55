"""Duplicates among photographs: what is found, what not, and what is kept.

The thresholds were chosen on photographs of Imagenette. On 3,500 others of
Imagenette and CUB-200, enlarged to 256 pixels, of which 500 had ten edits each,
all 24,403 pairs that were found were true. Of the edits 100 % were found if
they were resized, recompressed (JPEG of quality 15 to 70), mirrored, rotated or
filtered (grey, sepia, gamma, blur, …), 99.4 % with a bar of text over a sixth
or an eighth of the image, 94.0 % with watermarks in large letters, and 95.6 %
of the crops to 60–93 % of each side, with the ten nearest neighbours by an
EfficientNet-Lite0.
"""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from and_tf.exploring import duplicates, marked, parts
from and_tf.exploring import measured as measured_module
from and_tf.exploring.stages import Stages
from and_tf.utils.errors import InputError
from tests.exploring import photographs


def _find(measured, **options):
    return duplicates.find(
        measured, photographs.nearest(measured), **options
    )  # fmt: skip


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """16 photographs, most of them with a copy of a kind."""
    root = tmp_path_factory.mktemp("edited")
    tiles = [tile.resize((320, 320)) for tile in photographs.tiles()]
    for number, tile in enumerate(tiles):
        tile.save(root / f"{number:02}.png")
    turn, turned = Image.Transpose, Image.Exif()
    turned[0x0112] = 6  # Upright after a quarter turn clockwise.
    copies = {
        0: ("resized", tiles[0].resize((150, 150)), {}),
        9: ("recompressed", tiles[9], {"quality": 40}),
        8: ("mirrored", _mirrored(tiles[8]), {}),
        3: ("rotated 90", tiles[3].transpose(turn.ROTATE_270), {}),
        4: ("rotated 180", tiles[4].transpose(turn.ROTATE_180), {}),
        12: ("rotated 270", tiles[12].transpose(turn.ROTATE_90), {}),
        13: (
            "exif rotated",
            tiles[13].transpose(turn.ROTATE_90),
            {"exif": turned},
        ),
        10: ("cropped", tiles[10].crop((30, 10, 290, 270)), {}),
        # A part that is mirrored, too.
        6: ("cropped", _mirrored(tiles[6].crop((40, 20, 310, 290))), {}),
        14: ("edited", ImageEnhance.Color(tiles[14]).enhance(0), {}),
        15: ("edited", _watermarked(tiles[15]), {}),
    }  # fmt: skip
    for number, (_, image, options) in copies.items():
        image.save(root / f"{number:02}_copy.jpg", **{"quality": 92, **options})
    (root / "11_copy.png").write_bytes((root / "11.png").read_bytes())
    kinds = {number: kind for number, (kind, _, _) in copies.items()}
    found = photographs.measure(root, root / "store")
    return found, {**kinds, 11: "exact"}


def _mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _watermarked(image: Image.Image) -> Image.Image:
    marked = image.copy()
    font = ImageFont.load_default(size=40)
    ImageDraw.Draw(marked).text((20, 130), "© Example", "white", font)
    return marked


def test_every_kind_of_copy_is_found_and_named(edited):
    measured, kinds = edited
    found = _find(measured)
    for row, file in enumerate(measured.file):
        number = int(file[:2])
        if "copy" in file:
            original = measured.file.index(f"{number:02}.png")
            assert found.group[row] == found.group[original] >= 0, file
            assert found.kind[row] == kinds[number], file
            assert not found.keep[row] and found.keep[original]
        else:
            assert (found.group[row] >= 0) == (number in kinds)
            assert found.kind[row] == ""
    assert found.group.max() + 1 == len(kinds)


def test_pairs_that_the_user_marked_stay_apart(edited, tmp_path):
    measured, _ = edited
    path = tmp_path / "not_duplicates.csv"
    assert marked.read_apart(path, measured) is None
    path.write_text(
        "file,other_file\n00.png,00_copy.jpg\n11_copy.png,11.png\n"
        "'=gone.jpg,00.png\n"
    )
    apart = marked.read_apart(path, measured)
    found = _find(measured, apart=apart)
    for name in ("00.png", "00_copy.jpg", "11.png", "11_copy.png"):
        assert found.group[measured.file.index(name)] == -1
    assert found.group.max() + 1 == 10
    path.write_text("file,second\n00.png,00_copy.jpg\n")
    with pytest.raises(InputError, match="no column 'other_file'"):
        marked.read_apart(path, measured)


def test_leaks_name_the_image_of_the_reference(edited):
    measured, kinds = edited
    copies = [r for r, file in enumerate(measured.file) if "copy" in file]
    others = [r for r in range(len(measured)) if r not in copies]
    reference = measured.take(copies)
    reference = measured_module.Measured(
        **{**vars(reference), "split": ("reference",) * len(copies)}
    )
    both = measured_module.joined(measured.take(others), reference)
    found = _find(both)
    leaks = list(duplicates.leaks(both, found))
    pairs = {both.file[leak.row]: both.file[leak.reference] for leak in leaks}
    assert pairs == {
        f"{measured.file[row][:2]}.png": measured.file[row] for row in copies
    }
    assert found.keep[both.is_reference].all()
    assert found.keep.sum() == len(both) - len(leaks)
    assert [leak.kind for leak in leaks][0] == "resized"
    assert len(leaks) == len(kinds)


def test_blank_dark_and_transparent_images_are_not_all_alike(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(8):
        page = Image.new("RGB", (300, 400), "white")
        draw = ImageDraw.Draw(page)
        for line in range(20, 380, 20):
            text = "".join(rng.choice(list("aeinorst lmp"), 45))
            draw.text((20, line), text, "black")
        page.save(tmp_path / f"page{number}.png")
        white = Image.new("RGB", (50 + number, 40), "white")
        white.save(tmp_path / f"white{number}.png")
        noise = rng.integers(0, 4, (90, 90 + number, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"dark{number}.png")
        drawing = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
        corners = rng.integers(20, 180, (5, 2))
        ImageDraw.Draw(drawing).polygon(
            [tuple(corner) for corner in corners.tolist()], (200, 30, 30, 255)
        )
        drawing.save(tmp_path / f"cut_out{number}.png")
    found = _find(photographs.measure(tmp_path, tmp_path / "store"))
    assert (found.group == -1).all()


def test_frames_that_move_make_no_chain(tmp_path):
    whole = Image.fromarray(
        np.asarray(photographs.load_sample_images().images[0])
    )
    for number in range(12):
        left = number * 30
        frame = whole.crop((left, 100, left + 250, 350))
        frame.save(tmp_path / f"{number:02}.png")
    measured = photographs.measure(tmp_path, tmp_path / "store")
    found = _find(measured)
    assert len(set(found.group.tolist())) > 2 or (found.group == -1).all()
    for group in range(found.group.max() + 1):
        members = np.flatnonzero(found.group == group)
        assert members.max() - members.min() <= 2


def test_the_one_to_keep(tmp_path):
    tile = photographs.tiles()[9].resize((300, 300))
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:30:00"
    tile.resize((120, 120)).save(tmp_path / "a.png")
    tile.save(tmp_path / "b.jpg", quality=95)
    tile.save(tmp_path / "c.jpg", quality=60, exif=exif)
    (tmp_path / "d.jpg").write_bytes((tmp_path / "c.jpg").read_bytes())
    os.symlink(tmp_path / "c.jpg", tmp_path / "_.jpg")
    measured = photographs.measure(tmp_path, tmp_path / "store")
    found = _find(measured)
    assert set(found.group.tolist()) == {0}
    assert [f for f, keep in zip(measured.file, found.keep) if keep] == [
        "c.jpg"
    ]
    kinds = dict(zip(measured.file, found.kind, strict=True))
    assert kinds == {
        "_.jpg": "exact", "a.png": "resized", "b.jpg": "recompressed",
        "c.jpg": "", "d.jpg": "exact",
    }  # fmt: skip


def test_many_copies_of_one_picture_are_one_group(tmp_path, monkeypatch):
    """More than the pairs that are kept of a picture."""
    monkeypatch.setattr(duplicates.copies, "MOST_PAIRS", 4)
    tile = photographs.tiles()[9]
    for number in range(30):
        side = 100 + number
        tile.resize((side, side)).save(tmp_path / f"{number:02}.png")
    found = _find(photographs.measure(tmp_path, tmp_path / "store"))
    assert set(found.group.tolist()) == {0} and found.keep.sum() == 1


def test_look_alikes_are_compared_a_bounded_number_of_times(
    tmp_path, monkeypatch
):
    """Hashes that all match are left to the neighbours after two failures."""
    for number, tile in enumerate(photographs.tiles()):
        tile.save(tmp_path / f"{number:02}.png")
        tile.save(tmp_path / f"{number:02}_copy.jpg", quality=50)
    measured = photographs.measure(tmp_path, tmp_path / "store")
    expected = _find(measured).group
    monkeypatch.setattr(duplicates.copies, "_MOST_BITS", 255)
    monkeypatch.setattr(duplicates.copies, "_MOST_IN_VAIN", 2)
    compared = []
    verified = duplicates.copies._verified
    monkeypatch.setattr(
        duplicates.copies,
        "_verified",
        lambda *block: compared.append(block[1]) or verified(*block),
    )
    monkeypatch.setattr(duplicates.copies.hashes, "_NAMED", 4)
    np.testing.assert_array_equal(_find(measured).group, expected)
    assert expected.max() > 10
    assert sum(len(block.first) for block in compared) < 32 * 31 / 4


def test_rows_of_two_lists_are_paired_a_bounded_number_of_times(monkeypatch):
    monkeypatch.setattr(duplicates.copies, "MOST_PAIRS", 3)
    pairs = list(duplicates.crossed(range(50), range(100, 160)))
    assert len(pairs) == len({*pairs}) == 3 * 60 + 47 * 3
    assert {one for one, _ in pairs} == {*range(50)}
    assert {two for _, two in pairs} == {*range(100, 160)}
    assert len(list(duplicates.crossed(range(3), range(3, 6)))) == 9


def test_kept_comparisons_give_the_same_duplicates(edited, tmp_path):
    measured, _ = edited
    expected = _find(measured)
    for _ in range(2):  # The first one keeps them.
        found = _find(measured, stages=Stages(tmp_path), stream=io.StringIO())
        np.testing.assert_array_equal(found.group, expected.group)
        assert found.kind == expected.kind
        assert {*found.relations.pairs()} == {*expected.relations.pairs()}
    assert {path.stem for path in tmp_path.iterdir()} == {
        "copies", "copies_by_hash", "look_alikes"
    }  # fmt: skip


def test_an_interrupted_comparison_goes_on(edited, tmp_path, monkeypatch):
    measured, _ = edited
    expected = _find(measured)
    monkeypatch.setattr(parts, "_KEPT", 20)
    compare = parts.of_piece
    compared = []

    def compare_some(measured, piece):
        if len(compared) == 2:
            raise KeyboardInterrupt
        compared.append({*map(tuple, piece.tolist())})
        return compare(measured, piece)

    monkeypatch.setattr(parts, "of_piece", compare_some)
    with pytest.raises(KeyboardInterrupt):
        _find(measured, stages=Stages(tmp_path))
    before = set.union(*compared)
    assert len(before) == 40
    compared.append(set())
    found = _find(measured, stages=Stages(tmp_path))
    np.testing.assert_array_equal(found.group, expected.group)
    assert len(compared) > 3 and before.isdisjoint(set.union(*compared[3:]))


def test_what_a_crowd_shares_is_no_sign_of_a_copy(tmp_path):
    """30 images, mostly equal; three have copies, one has 20 of them."""
    rng = np.random.default_rng(0)

    def pattern(deviation: float) -> np.ndarray:
        blocks = Image.fromarray(rng.normal(0, 1, (16, 16)).astype(np.float32))
        smooth = np.asarray(blocks.resize((256, 256), Image.Resampling.BICUBIC))
        return smooth / smooth.std() * deviation

    common = 128 + pattern(40)
    expected = {}
    for number in range(30):
        values = (common + pattern(9)).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(values).convert("RGB")
        image.save(tmp_path / f"{number:02}.png")
        copies = {3: 20, 11: 1, 20: 1}.get(number, 0)
        expected[f"{number:02}"] = copies > 0
        for copy in range(copies):
            side = 160 + 4 * copy
            image.resize((side, side)).save(
                tmp_path / f"{number:02}_{copy:02}.jpg", quality=80
            )
    measured = photographs.measure(tmp_path, tmp_path / "store")
    alike = duplicates.copies._look_alikes(
        duplicates.copies.Looks.of(measured),
        np.arange(len(measured)),
        io.StringIO(),
    )
    assert len(alike) > 700  # As a whole most of them agree.
    found = _find(measured)
    groups = {file[:2]: set() for file in measured.file}
    for file, group in zip(measured.file, found.group.tolist(), strict=True):
        groups[file[:2]].add(group)
    assert all(len(numbers) == 1 for numbers in groups.values())
    for name, (group,) in groups.items():
        assert (group >= 0) == expected[name], name
    assert found.group.max() == 2


def test_many_edits_of_one_picture_are_no_crowd(tmp_path):
    """What 24 edits have in common is the picture itself."""
    tiles = photographs.tiles()
    for number, image in enumerate((tiles[0], tiles[8], tiles[9])):
        image.save(tmp_path / f"{number}.png")
        for edit in range(24):
            strength = 0.7 + 0.025 * edit
            changed = (
                ImageEnhance.Contrast(image).enhance(strength),
                ImageEnhance.Brightness(image).enhance(strength),
                ImageEnhance.Sharpness(image).enhance(2 * strength - 1),
                ImageEnhance.Color(image).enhance(edit / 24),
            )[edit % 4]
            side = photographs.SIDE - 3 * edit
            changed.resize((side, side)).save(
                tmp_path / f"{number}_{edit:02}.jpg", quality=30 + 2 * edit
            )
    measured = photographs.measure(tmp_path, tmp_path / "store")
    groups = {file[0]: set() for file in measured.file}
    found = _find(measured).group
    for file, group in zip(measured.file, found.tolist(), strict=True):
        groups[file[0]].add(group)
    assert sorted(map(sorted, groups.values())) == [[0], [1], [2]]


def test_one_image_has_no_duplicates(tmp_path):
    photographs.tiles()[0].save(tmp_path / "a.png")
    measured = photographs.measure(tmp_path, tmp_path / "store")
    found = duplicates.find(measured, np.zeros((1, 0), np.int64))
    assert found.group.tolist() == [-1] and found.keep.all()
