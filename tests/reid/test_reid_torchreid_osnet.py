"""torchreid's OSNet files: names, use of every tensor, values, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchreid_file import save_torchreid, torchreid_feature, torchreid_state

from reid.backbones.osnet import OSNet
from reid.backbones.pretrained import load_pretrained
from reid.backbones.resnet import ResNet
from reid.backbones.torchreid_names import our_names
from reid.backbones.torchreid_osnet import load_torchreid_osnet
from reid.errors import ReidError

HERE = Path("file.pth")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1.conv.weight", "stem.0.0.weight"),
        ("conv1.bn.running_mean", "stem.0.1.running_mean"),
        ("conv2.0.conv1.conv.weight", "stage2.0.reduce.0.weight"),
        ("conv2.0.conv2a.conv2.weight", "stage2.0.streams.0.0.1.weight"),
        ("conv3.1.conv2b.1.bn.weight", "stage3.1.streams.1.1.2.weight"),
        ("conv4.0.conv2d.3.conv1.weight", "stage4.0.streams.3.3.0.weight"),
        ("conv4.1.gate.fc2.bias", "stage4.1.gate.fc2.bias"),
        ("conv2.1.conv3.bn.bias", "stage2.1.expand.1.bias"),
        ("conv3.0.downsample.conv.weight", "stage3.0.shortcut.0.weight"),
        ("conv3.2.0.bn.num_batches_tracked", "stage3.2.1.num_batches_tracked"),
        ("conv5.conv.weight", "final.0.weight"),
        ("fc.0.weight", "fc.0.weight"),
    ],
)
def test_names(theirs: str, ours: str) -> None:
    assert list(our_names({theirs: torch.zeros(1)}, HERE)) == [ours]


def test_every_tensor_of_the_trunk_is_used_once() -> None:
    state = torchreid_state()
    renamed = our_names(state, HERE)
    assert len(renamed) == len(state)
    trunk = {k: v.shape for k, v in renamed.items() if not k.startswith(("fc.", "classifier."))}
    assert trunk == {k: v.shape for k, v in OSNet(0.0625).state_dict().items()}


def test_features_by_hand(tmp_path: Path) -> None:
    """BGR in 0..255 goes in; the reference gets RGB with ImageNet's mean and deviation."""
    network = load_torchreid_osnet(save_torchreid(tmp_path / "file.pth"))
    assert not network.training
    images_bgr = torch.randint(0, 256, (2, 3, 64, 32)).float()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    images_rgb = (images_bgr[:, [2, 1, 0]] / 255 - mean) / deviation
    wanted = torchreid_feature(
        {k: v.double() for k, v in torchreid_state().items()}, images_rgb.double()
    )
    with torch.no_grad():
        found = network(images_bgr)
    assert found.shape == (2, 16)
    assert wanted.std() > 0.1
    torch.testing.assert_close(found.double(), wanted, atol=1e-3, rtol=1e-3)


def test_a_trunk_starts_from_torchreids_weights(tmp_path: Path) -> None:
    trunk = OSNet(0.0625)
    load_pretrained(trunk, save_torchreid(tmp_path / "file.pth"))
    wanted = our_names(torchreid_state(), HERE)
    for name, value in trunk.state_dict().items():
        torch.testing.assert_close(value, wanted[name], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("conv2.0.IN.weight", r"conv2\.0\.IN\.weight is not of torchreid's OSNet"),
        ("conv2.0.conv2b.2.bn.weight", r"conv2b\.2\.bn\.weight is not of torchreid's OSNet"),
        ("conv2.0.conv2a.conv3.weight", r"conv2a\.conv3\.weight is not of torchreid's OSNet"),
        ("fc.4.weight", r"trunk\.fc\.4\.weight is not in this network"),
        ("-conv5.bn.bias", r"trunk\.final\.1\.bias is missing in the file"),
        ("-fc.1.bias", r"head\.1\.bias is missing in the file"),
        ("-fc.0.weight", "not a checkpoint of torchreid's OSNet"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, change: str, message: str) -> None:
    state = torchreid_state()
    if change.startswith("-"):
        del state[change[1:]]
    else:
        state[change] = torch.zeros(3)
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(ReidError, match=message):
        load_torchreid_osnet(tmp_path / "file.pth")


def test_a_resnet_is_no_osnet(tmp_path: Path) -> None:
    torch.save(ResNet(18, width=4).state_dict(), tmp_path / "file.pth")
    with pytest.raises(ReidError, match="not a checkpoint of torchreid's OSNet"):
        load_torchreid_osnet(tmp_path / "file.pth")
