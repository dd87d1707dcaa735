from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limbeck.data.images import PhotoArchive, StoredFeatures, load_arrays, pooled_features, region_labels
from limbeck.errors import LimbeckError

COLOURS = {7: (255, 0, 0), 1_007_129_816: (0, 128, 0), 12: (10, 20, 240)}


def jpeg(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 30), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def archive(path: Path, **changes: Any) -> Path:
    encoded = [jpeg(colour) for colour in COLOURS.values()]
    arrays = {
        "jpeg": np.frombuffer(b"".join(encoded), np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)]),
        "ids": np.array(list(COLOURS)),
    }
    np.savez(path, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return path


def test_pictures_by_their_number(tmp_path: Path) -> None:
    photos = PhotoArchive(archive(tmp_path / "photos.npz"))
    assert photos.ids.tolist() == list(COLOURS)
    for number, colour in COLOURS.items():
        assert number in photos
        picture = photos.read(number, 8)
        assert picture.shape == (3, 8, 8)
        assert picture.dtype == np.uint8
        np.testing.assert_allclose(picture.transpose(1, 2, 0).astype(int), np.full((8, 8, 3), colour), atol=4)
    assert 8 not in photos
    with pytest.raises(LimbeckError, match=r"photos\.npz: no picture 8"):
        photos.read(8, 8)


def test_rows_and_columns_are_not_mixed_up(tmp_path: Path) -> None:
    drawn = np.zeros((16, 16, 3), np.uint8)
    drawn[:8] = 255
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "JPEG", quality=95)
    encoded = np.frombuffer(file.getvalue(), np.uint8)
    path = archive(tmp_path / "a.npz", jpeg=encoded, offsets=np.array([0, len(encoded)]), ids=np.array([1]))
    picture = PhotoArchive(path).read(1, 16)
    assert picture[:, :7].min() > 240
    assert picture[:, 9:].max() < 15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": None}, "no array 'ids' in it; it has jpeg, offsets"),
        ({"ids": np.array([1])}, "offsets do not fit the pictures; is the file whole"),
        ({"jpeg": np.zeros(10, np.uint8)}, "offsets do not fit the pictures; is the file whole"),
        ({"ids": np.array([object()], dtype=object)}, "not a readable .npz archive"),
    ],
)
def test_archives_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        PhotoArchive(archive(tmp_path / "photos.npz", **changes))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    photos = PhotoArchive(archive(tmp_path / "a.npz", jpeg=np.zeros(len(b"".join(map(jpeg, COLOURS.values()))), "u1")))
    with pytest.raises(LimbeckError, match=r"a\.npz, picture 12: cannot identify image"):
        photos.read(12, 8)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "bent", "directory"])
def test_files_that_are_no_archive(tmp_path: Path, damage: str) -> None:
    path = archive(tmp_path / "a.npz")
    whole = path.read_bytes()
    if damage == "directory":
        path = tmp_path
    else:
        middle = len(whole) // 3
        bent = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 50]) + whole[middle + 50 :]
        path.write_bytes({"cut": whole[:-200], "empty": b"", "text": b"no archive\n", "bent": bent}[damage])
    with pytest.raises(LimbeckError, match=r"not a readable \.npz archive"):
        load_arrays(path, ("ids", "jpeg", "offsets"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=r"b\.npz: no such file"):
        load_arrays(tmp_path / "b.npz", ("ids",))


def test_stored_vectors_are_standardised() -> None:
    vectors = np.random.default_rng(0).normal(3.0, 2.0, (50, 4)).astype(np.float32)
    vectors[:, 2] = 5.0
    stored = StoredFeatures(np.arange(50) + 100, vectors, "pooled")
    assert (stored.width, stored.name, stored.rows[103]) == (4, "pooled", 3)
    np.testing.assert_allclose(stored.vectors.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(stored.vectors.std(0), [1, 1, 0, 1], atol=1e-5)


def test_vectors_of_one_scale_keep_the_shares_of_their_columns() -> None:
    vectors = np.array([[0, 0], [0, 0], [0, 4], [1, 4]], dtype=np.float32)
    scaled = StoredFeatures(np.arange(4), vectors, "labels", one_scale=True).vectors
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(scaled).mean(), 1, rtol=1e-6)
    np.testing.assert_allclose(scaled.var(0) / scaled.var(0).sum(), vectors.var(0) / vectors.var(0).sum(), rtol=1e-6)


def test_pooled_features(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float16)
    np.savez(tmp_path / "a.npz", ids=np.arange(5), feats=values)
    read = pooled_features(tmp_path / "a.npz")
    expected = (values - values.astype(np.float64).mean(0)) / values.astype(np.float64).std(0)
    np.testing.assert_allclose(read.vectors, expected, atol=1e-3)


def test_region_labels(tmp_path: Path) -> None:
    """Picture 5 has the labels 0 and 2, picture 6 none, picture 7 has 2."""
    arrays: dict[str, Any] = {"ids_VNC": [5, 6, 7], "indptr_VNC": [0, 2, 2, 3], "indices_VNC": [0, 2, 2]}
    np.savez(tmp_path / "a.npz", labels=["dog", "cat", "river"], **arrays)
    read = region_labels(tmp_path / "a.npz")
    assert read.rows == {5: 0, 6: 1, 7: 2}
    assert (read.vectors > 0).tolist() == [[True, False, True], [False] * 3, [False, False, True]]
    assert region_labels(tmp_path / "a.npz", most=1).width == 1
    with pytest.raises(LimbeckError, match="no array 'ids_VWC'"):
        region_labels(tmp_path / "a.npz", "VWC")
