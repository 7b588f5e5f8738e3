"""All backbones that a YAML can name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from reid.backbones.base import Backbone
from reid.backbones.hrnet import HRNet
from reid.backbones.osnet import OSNet
from reid.backbones.resnet import ResNet
from reid.backbones.slim import SlimResNet
from reid.section import Section


class OSNetConfig(Section):
    """`width` multiplies the channels; `instance_norm`: see OSNet."""

    name: Literal["osnet"] = "osnet"
    width: float = Field(default=0.25, ge=1 / 32, le=4)
    instance_norm: bool = True

    def build(self) -> Backbone:
        """The trunk with random weights."""
        return OSNet(self.width, instance_norm=self.instance_norm)


class ResNetConfig(Section):
    """`last_stride`, `ibn_a`, `width` (64 but for experiments): see ResNet."""

    name: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet50"
    last_stride: Literal[1, 2] = 1
    ibn_a: bool = False
    width: int = Field(default=64, ge=4, le=256)

    def build(self) -> Backbone:
        """The trunk with random weights."""
        depth = int(self.name.removeprefix("resnet"))
        return ResNet(depth, last_stride=self.last_stride, ibn_a=self.ibn_a, width=self.width)


class HRNetConfig(Section):
    """`width` is the channels of the finest branch: 32 is HRNet-W32."""

    name: Literal["hrnet"] = "hrnet"
    width: int = Field(default=32, ge=4, le=64)

    def build(self) -> Backbone:
        """The trunk with random weights."""
        return HRNet(self.width)


class SlimConfig(Section):
    """See SlimResNet."""

    name: Literal["slim"] = "slim"
    channels: int = Field(default=64, ge=4, le=512, multiple_of=2)
    blocks: tuple[PositiveInt, PositiveInt, PositiveInt] = (2, 2, 3)
    out_channels: int = Field(default=384, ge=8, le=4096)
    instance_norm: bool = True

    def build(self) -> Backbone:
        """The trunk with random weights."""
        return SlimResNet(
            self.channels, self.blocks, self.out_channels, instance_norm=self.instance_norm
        )


BackboneConfig = Annotated[
    OSNetConfig | ResNetConfig | HRNetConfig | SlimConfig, Field(discriminator="name")
]
