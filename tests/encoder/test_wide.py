"""What single words and pairs of them add to two heads' logits."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.encoder.tiny_bundle import (
    MarkBackend,
    passage,
    read_manifest,
    token,
    write_manifest,
    write_wide,
)
from vsr.encoder.backend import Floats, Ids
from vsr.encoder.bundle import load_bundle
from vsr.encoder.encoder import Encoder
from vsr.encoder.wide import BUCKETS, PIECES, Wide, Widened, hashed, widened
from vsr.errors import BundleError

MATH, OTHER = 0, 1
LONG = PIECES.tokens * 4


def window(*words: str, width: int = 0) -> tuple[Ids, Ids]:
    """One window and its mask, padded to at least `width`."""
    ids = [token("[CLS]"), *map(token, words), token("[SEP]")]
    padding = [0] * max(0, width - len(ids))
    return np.array([ids + padding]), np.array([[1] * len(ids) + padding])


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Wide:
    path = tmp_path_factory.mktemp("wide") / "wide.npz"
    return Wide.load(write_wide(path, {"attack": 90, "word": -30}, {"algebra": 50}), 2)


def risk(wide: Wide, *words: str, width: int = 0) -> float:
    return float(wide.logits(*window(*words, width=width))[1][0])


def domain(wide: Wide, *words: str, width: int = 0) -> Floats:
    logits, _ = wide.logits(*window(*words, width=width))
    return logits


def test_a_word_counts_for_the_head_it_has_a_weight_for(wide: Wide) -> None:
    assert risk(wide, "the", "attack") > 0 > risk(wide, "the", "word")
    logits = domain(wide, "algebra")[0]
    assert logits[MATH] > 0 > logits[OTHER]


def test_a_window_says_its_weights_over_the_root_of_its_features(wide: Wide) -> None:
    # five tokens with the special ones, and four pairs of them
    assert domain(wide, "the", "algebra", "word")[0].tolist() == pytest.approx([50 / 3, -50 / 3])
    assert risk(wide, "the", "attack", "word") == pytest.approx((90 - 30) / 3)


def test_words_in_another_order_are_other_features() -> None:
    one, other = hashed(*window("attack", "bypass")), hashed(*window("bypass", "attack"))
    assert set(one[0]) != set(other[0])


def test_a_word_said_again_counts_once(wide: Wide) -> None:
    said = domain(wide, "algebra", "the", "algebra", "the", "algebra", "the")
    np.testing.assert_allclose(said, domain(wide, "algebra", "the", "algebra", "the"))


def test_padding_changes_nothing(wide: Wide) -> None:
    words = ("the", "algebra", "attack")
    np.testing.assert_allclose(domain(wide, *words, width=60), domain(wide, *words))
    assert risk(wide, *words, width=60) == pytest.approx(risk(wide, *words))


def test_the_end_of_a_padded_window_is_no_piece_of_its_own(wide: Wide) -> None:
    words = [*["word"] * PIECES.tokens, "attack"]
    assert risk(wide, *words, width=5 * PIECES.tokens) == pytest.approx(risk(wide, *words))


@pytest.mark.parametrize("place", [0, LONG // 2, LONG - 1])
def test_words_around_an_attack_do_not_dilute_it(wide: Wide, place: int) -> None:
    harmless = ["word"] * LONG
    amid = [*harmless[:place], "attack", *harmless[place + 1 :]]
    piece = ["word"] * PIECES.tokens
    assert risk(wide, *harmless) < 0
    assert risk(wide, *amid) >= risk(wide, *piece[2:], "attack") > 0


def test_a_batch_gets_the_answers_of_its_windows_alone(wide: Wide) -> None:
    windows = [window("attack", width=80), window(*["word"] * 70, width=80), window("algebra", width=80)]
    ids, mask = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    alone = [wide.logits(*one) for one in windows]
    together = wide.logits(ids, mask)
    np.testing.assert_allclose(together[0], np.concatenate([domains for domains, _ in alone]))
    np.testing.assert_allclose(together[1], np.concatenate([risks for _, risks in alone]))


def test_only_the_domain_and_the_positive_label_of_the_guard_are_added_to(wide: Wide) -> None:
    ids, mask = window("attack", "algebra")
    plain = MarkBackend().infer(ids, mask)
    found = Widened(MarkBackend(), wide, positive=1).infer(ids, mask)
    assert found.jailbreak[0, 0] == plain.jailbreak[0, 0]
    assert found.jailbreak[0, 1] == pytest.approx(plain.jailbreak[0, 1] + wide.logits(ids, mask)[1][0])
    np.testing.assert_allclose(found.domain, plain.domain + wide.logits(ids, mask)[0])
    assert (found.pii == plain.pii).all()
    assert (found.embedding == plain.embedding).all()


def name_in_manifest(folder: Path, file: Path) -> None:
    document = read_manifest(folder)
    document["files"][file.name] = "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    write_manifest(folder, document)


def test_a_file_that_the_manifest_does_not_name_is_not_read(copy: Path) -> None:
    (copy / "wide.npz").write_bytes(b"who knows")
    assert load_bundle(copy).wide_path is None
    backend = MarkBackend()
    assert widened(backend, None, load_bundle(copy).manifest.heads) is backend


async def test_a_bundle_with_a_wide_part_is_read_with_it(copy: Path) -> None:
    write_wide(copy / "wide.npz", {"poem": 40})
    name_in_manifest(copy, copy / "wide.npz")
    bundle = load_bundle(copy)
    encoder = await Encoder.start(bundle)  # the golden texts hold no poem, so they are as before
    try:
        readings = await encoder.read([passage("the poem"), passage("the word")], [0])
    finally:
        await encoder.aclose()
    poem, word, *_ = readings.jailbreak
    assert poem.risk > 0.9 > word.risk


async def test_a_wide_part_that_changes_the_golden_outputs_is_refused(copy: Path) -> None:
    write_wide(copy / "wide.npz", {"john": 40})
    name_in_manifest(copy, copy / "wide.npz")
    with pytest.raises(BundleError, match="golden text 2: the jailbreak probability is off"):
        await Encoder.start(load_bundle(copy))


@pytest.mark.parametrize(
    "arrays",
    [
        {"domain.table": np.zeros((BUCKETS, 2), np.int8)},
        {"domain.table": np.array([None])},
        {"domain.table": np.zeros((8, 2), np.int8), "domain.scale": np.ones(2), "domain.bias": np.ones(2)},
    ],
    ids=["something is missing", "a pickle", "another shape"],
)
def test_what_is_no_wide_part_is_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = tmp_path / "wide.npz"
    np.savez(path, **arrays)
    with pytest.raises(BundleError, match=r"wide\.npz is no wide part for 2 domains"):
        Wide.load(path, 2)


def test_a_broken_file_and_one_for_other_domains_are_refused(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "wide.npz", {})
    with pytest.raises(BundleError, match=r"is no wide part for 14 domains: domain has int8 weights"):
        Wide.load(path, 14)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BundleError, match=r"is no wide part"):
        Wide.load(path, 2)


def test_an_array_by_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros((BUCKETS, 2), np.int8))
    with pytest.raises(BundleError, match=r"wide\.npz is no wide part for 2 domains"):
        Wide.load(path, 2)
