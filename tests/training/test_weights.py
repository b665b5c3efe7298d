"""The same network as transformers computes it, as OpenVINO does and as torch does at run time."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from tests.encoder.tiny_bundle import passage, tokenizer_file, write_wide  # noqa: E402
from vsr.encoder.backend import Floats  # noqa: E402
from vsr.encoder.bundle import load_bundle  # noqa: E402
from vsr.encoder.encoder import Encoder  # noqa: E402
from vsr.encoder.heads import softmax  # noqa: E402
from vsr.encoder.manifest import Heads, parse_manifest  # noqa: E402
from vsr.encoder.openvino import OpenVINOBackend  # noqa: E402
from vsr.encoder.torch import TorchBackend  # noqa: E402
from vsr.errors import BundleError  # noqa: E402
from vsr.training.bundle import GOLDEN, Calibration, write_manifest  # noqa: E402
from vsr.training.calibrate import golden_outputs  # noqa: E402
from vsr.training.export import convert, save  # noqa: E402
from vsr.training.labels import DOMAINS  # noqa: E402
from vsr.training.model import Network, mean_pool  # noqa: E402
from vsr.training.weights import load_weights, save_weights, torch_bundle  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # tracing warns of what it does not know

IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 7, 9, 3, 0, 0]], dtype=np.int64)
MASK = (IDS != 0).astype(np.int64)


@pytest.fixture(scope="module")
def network() -> Network:
    from transformers import BertConfig

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=2100, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=64
    )
    network = Network(config)
    torch.nn.init.normal_(network.space.weight, std=0.02)  # it starts at nothing
    network.eval()
    return network


@pytest.fixture(scope="module")
def folder(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fp32")
    save_weights(network, folder)
    save(convert(network), folder)
    tokenizer_file().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def heads(folder: Path) -> Heads:
    write_manifest(folder, "1", "openvino-fp32", Calibration(), golden_outputs(folder, GOLDEN))
    return parse_manifest((folder / "vsr.json").read_bytes()).heads


def test_a_network_is_read_back_as_it_was_saved(network: Network, folder: Path) -> None:
    given = torch.from_numpy(IDS), torch.from_numpy(MASK)
    with torch.no_grad():
        pairs = list(zip(network(*given), load_weights(folder).eval()(*given), strict=True))
    assert all(torch.equal(saved, read) for saved, read in pairs)


def test_a_graph_whose_writing_was_cut_off_is_not_there(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(_: object, path: Path, **__: object) -> None:
        path.write_text("<net")
        raise OSError("no space left on device")

    monkeypatch.setattr("openvino.save_model", cut_off)
    with pytest.raises(OSError, match="no space"):
        save(convert(network), tmp_path)
    assert not (tmp_path / "openvino_model.xml").exists()


@pytest.mark.parametrize("rows", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["padded", "whole", "masked"])
def test_torch_and_transformers_agree(network: Network, folder: Path, heads: Heads, rows: slice) -> None:
    ids, mask = IDS[rows], MASK[rows]
    mine = TorchBackend(folder, heads, device="cpu").infer(ids, mask)
    with torch.no_grad():
        truth = network(torch.from_numpy(ids), torch.from_numpy(mask))
    for name, expected in zip(("domain", "jailbreak", "pii", "embedding"), truth, strict=False):
        wanted, got = expected.numpy(), getattr(mine, name)
        if name == "pii":
            wanted, got = wanted[mask == 1], got[mask == 1]
        assert np.abs(got - wanted).max() < 1e-4


def test_weights_without_a_map_of_the_means_embed_by_the_last_layers_mean(
    network: Network, folder: Path, heads: Heads, tmp_path: Path
) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["space.weight"]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    save_file(weights, tmp_path / "model.safetensors", {"read_layers": "2,4,6"})
    mine = TorchBackend(tmp_path, heads, device="cpu").infer(IDS, MASK)
    mask = torch.from_numpy(MASK)
    with torch.no_grad():
        mean = mean_pool(network.layers(torch.from_numpy(IDS), mask)[-1], mask[:, :, None].float())
    assert np.abs(mine.embedding - torch.nn.functional.normalize(mean, dim=1).numpy()).max() < 1e-4


def test_torch_and_openvino_agree(folder: Path, heads: Heads) -> None:
    torch_backend = TorchBackend(folder, heads, device="cpu")
    backend = OpenVINOBackend(folder / "openvino_model.xml", 30, heads)
    for row, length in enumerate(MASK.sum(axis=1)):
        ids, mask = IDS[row : row + 1], MASK[row : row + 1]
        mine, graph = torch_backend.infer(ids, mask), backend.infer(ids, mask)
        for name in ("domain", "jailbreak", "embedding"):
            # the graph's weights are kept in half precision
            assert np.abs(getattr(graph, name) - getattr(mine, name)).max() < 2e-2
        assert np.abs(graph.pii[:, :length] - mine.pii[:, :length]).max() < 2e-2
        assert np.abs(graph.probabilities[:, :length] - mine.probabilities[:, :length]).max() < 1e-2
        lead = mine.probabilities[:, :length] - np.sort(_of_types(mine.pii, heads))[:, :length, -2]
        assert (graph.types[:, :length] == mine.types[:, :length])[lead > 1e-2].all()


def _of_types(logits: Floats, heads: Heads) -> Floats:
    """The probabilities of all types of each token."""
    tags = softmax(logits, heads.pii.temperature)
    return tags[:, :, 1::2] + tags[:, :, 2::2]


def test_weights_that_are_none_get_a_clear_error(folder: Path, heads: Heads, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BundleError, match="are not those of a bundle"):
        TorchBackend(tmp_path, heads)


@pytest.mark.usefixtures("heads")
async def test_a_bundle_for_torch_starts_and_reads(folder: Path, tmp_path: Path) -> None:
    torch_bundle(folder, folder / "vsr.json", tmp_path)
    bundle = load_bundle(tmp_path)
    assert bundle.engine == "torch"
    encoder = await Encoder.start(bundle)
    try:
        readings = await encoder.read([passage("john smith")], [0])
    finally:
        await encoder.aclose()
    assert sum(readings.domain.values()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.usefixtures("heads")
async def test_a_bundle_for_torch_takes_the_wide_part_along(folder: Path, tmp_path: Path) -> None:
    with_wide = tmp_path / "fp32"
    shutil.copytree(folder, with_wide)
    write_wide(with_wide / "wide.npz", {"poem": 60}, domains=len(DOMAINS))
    torch_bundle(with_wide, folder / "vsr.json", tmp_path / "out")
    encoder = await Encoder.start(load_bundle(tmp_path / "out"))
    try:
        poem, word, *_ = (await encoder.read([passage("the poem"), passage("the word")], [0])).jailbreak
    finally:
        await encoder.aclose()
    assert poem.risk > 0.9 > word.risk
