"""MSFL, BDB and PMM say the same in OpenVINO as in torch, for one picture and for eight."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from reid_builders import TinyBackbone

from reid.heads.bdb import BDBConfig
from reid.heads.msfl import MSFLConfig
from reid.heads.pmm import PMMConfig
from reid.network import ReidNetwork
from reid.openvino_core import openvino_core


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [MSFLConfig(dim=8, channels=8), BDBConfig(global_dim=8, part_dim=8), PMMConfig(dim=8)],
    ids=lambda config: config.name,
)
def test_the_embedding_survives_conversion(config: Any) -> None:
    torch.manual_seed(0)
    trunk = TinyBackbone()
    net = ReidNetwork(trunk, config.build(trunk, 0))
    with torch.no_grad():
        for _ in range(5):
            net(torch.randn(8, 3, 64, 32))  # running statistics
        net.eval()
        converted = ov.convert_model(net, example_input=torch.zeros(2, 3, 64, 32))
        compiled = openvino_core().compile_model(
            converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        )
        for count in (1, 8):
            images = torch.randn(count, 3, 64, 32)
            expected = net(images)[0].numpy()
            found = compiled([images.numpy()])[0]
            assert found.shape == (count, net.head.embedding_dim)
            np.testing.assert_allclose(found, expected, atol=2e-4)
