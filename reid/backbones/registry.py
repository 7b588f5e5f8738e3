"""All backbones that a YAML can name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reid.backbones.base import Backbone
from reid.backbones.osnet import OSNet
from reid.section import Section


class OSNetConfig(Section):
    """`width` multiplies the channels; `instance_norm`: see OSNet."""

    name: Literal["osnet"] = "osnet"
    width: float = Field(default=0.25, gt=0, le=4)
    instance_norm: bool = True

    def build(self) -> Backbone:
        """The trunk with random weights."""
        return OSNet(self.width, instance_norm=self.instance_norm)


BackboneConfig = Annotated[OSNetConfig, Field(discriminator="name")]
