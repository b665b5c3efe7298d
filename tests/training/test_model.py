"""What is added to the network after training says what it is meant to, and survives the file of weights."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="training needs the extra `train`")

from vsr.training.model import VIEW, Network, Outputs  # noqa: E402
from vsr.training.weights import load_weights, save_weights  # noqa: E402

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 9, 3, 0]])
MASK = (IDS != 0).long()


@pytest.fixture
def network() -> Network:
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16
    )
    made = Network(config)
    made.learn_view()
    assert made.view is not None
    with torch.no_grad():  # as after training: no norm leaves its numbers as they are
        for norm in (made.view.norm, made.jailbreak.norm):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_()
    made.eval()
    return made


def said(network: Network) -> Outputs:
    with torch.inference_mode():
        outputs: Outputs = network(IDS, MASK)
    return outputs


def test_the_guard_hears_what_the_view_says_and_a_part_of_its_own(network: Network, tmp_path: Path) -> None:
    weights = torch.randn(VIEW)
    before = said(network)
    assert network.view is not None
    with torch.inference_mode():
        view = network.view(network.read(IDS, MASK).pooled)
    wanted = 0.5 * (before[1][:, 1] - before[1][:, 0]) + view @ weights + 0.25

    network.guard_by_view(weights, bias=0.25, own=0.5)
    after = said(network)
    assert torch.allclose(after[1][:, 1] - after[1][:, 0], wanted, atol=1e-4)
    assert all(torch.equal(after[place], before[place]) for place in (0, 2, 3, 4, 5))
    assert not [name for name in network.state_dict() if "view" in name]

    save_weights(network, tmp_path)
    assert torch.equal(said(load_weights(tmp_path).eval())[1], after[1])
