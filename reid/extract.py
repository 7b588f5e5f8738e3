"""Runs a ReID network in torch over the pictures of a split: with body joints, pixels, or a GPU.

Preprocessing and the mean over picture and mirror image are those of `reid.inference`, which is
the faster way on a CPU where a network needs neither joints nor pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.data.crops import Crops, Split
from reid.data.joints import MIRRORED, load_joints
from reid.data.occlusion import Occlusion
from reid.describe import Described, OnDone, in_chunks, joined, read_crops
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.inference import network_input
from reid.network import Outputs, ReidNetwork, unit
from reid.pyramid import PyramidFeatures, joined_pyramids, pyramid_of


def extract(
    network: ReidNetwork,
    crops: Crops,
    input_hw: tuple[int, int],
    *,
    joints: NDArray[np.float32] | None = None,
    occlude: float = 0.0,
    seed: int = 0,
    first: int = 0,
    device: str = "cpu",
    with_pixels: bool = False,
    fingerprint: str = "",
    on_done: OnDone | None = None,
) -> Described:
    """Features of all pictures of a split.

    Args:
        network: in evaluation mode, on `device`. input_hw: height and width of its pictures.
        joints: (N, 14, 2) fractions of the pictures, NaN where unseen, for heads that need them.
        occlude: share of the pictures that gets a rectangle of noise, by `seed` and the
            picture's number, counted from `first`.
        with_pixels: also gives the features for progressive retrieval.
        on_done: gets how many pictures are ready.

    A network without parts gets one part per picture that is never visible.

    Raises:
        ReidError: no joints for a head that needs them, no parts or pixels for `with_pixels`, or
            an image that cannot be decoded. ValueError: joints of other pictures.
    """
    if network.head.needs_joints and joints is None:
        raise ReidError("this network needs body joints of every picture")
    if joints is not None and len(joints) != len(crops):
        raise ValueError(f"joints of {len(joints)} pictures, but there are {len(crops)}")
    occlusion = Occlusion(occlude, seed) if occlude else None
    found: list[Embeddings] = []
    pyramids: list[PyramidFeatures] = []
    done = 0
    for paths in in_chunks(crops.paths):
        rows = slice(done, done + len(paths))
        pictures = read_crops(paths, occlusion, first + done)
        outputs = _outputs(
            network, pictures, input_hw, None if joints is None else joints[rows], device
        )
        found.append(_embeddings(outputs, fingerprint))
        if with_pixels:
            pyramids.append(pyramid_of(outputs))
        done += len(paths)
        if on_done is not None:
            on_done(done)
    return Described(joined(found), joined_pyramids(pyramids) if with_pixels else None)


class TorchDescriber:
    """A network that describes splits by `extract`.

    Args:
        network: in evaluation mode. joints: .npz file of the joints of every picture, or None.
        with_pixels: whether features for progressive retrieval are made.
    """

    def __init__(
        self,
        network: ReidNetwork,
        input_hw: tuple[int, int],
        fingerprint: str,
        *,
        joints: Path | None = None,
        device: str = "cpu",
        with_pixels: bool = False,
    ) -> None:
        self.has_parts = network.head.part_shape is not None
        self.has_pixels = with_pixels
        self._network = network.to(device)
        self._input_hw, self._fingerprint = input_hw, fingerprint
        self._joints, self._device = joints, device

    def describe(
        self, crops: Crops, split: Split, occlusion: Occlusion | None, first: int, on_done: OnDone
    ) -> Described:
        """See `reid.describe.Describer`."""
        joints = None if self._joints is None else load_joints(self._joints, crops, split)
        return extract(
            self._network,
            crops,
            self._input_hw,
            joints=joints,
            occlude=occlusion.probability if occlusion else 0.0,
            seed=occlusion.seed if occlusion else 0,
            first=first,
            device=self._device,
            with_pixels=self.has_pixels,
            fingerprint=self._fingerprint,
            on_done=on_done,
        )


@torch.inference_mode()
def _outputs(
    network: ReidNetwork,
    pictures: list[NDArray[np.uint8]],
    input_hw: tuple[int, int],
    joints: NDArray[np.float32] | None,
    device: str,
) -> Outputs:
    """Mean outputs of pictures and mirror images; parts count as seen only inside the pictures."""
    shape = network.head.part_shape
    images, seen, filled = network_input(pictures, input_hw, shape[0] if shape else 1)
    batch = torch.from_numpy(images).to(device)
    places = None
    if joints is not None:
        lowered = joints * np.stack([np.ones_like(filled), filled], 1)[:, None]
        places = torch.from_numpy(lowered.astype(np.float32)).to(device)
    both = mirror_mean(network, batch, places)
    if both.parts is None:
        return both
    visible = torch.from_numpy(seen).to(device)
    if both.visibility is not None:
        visible = visible * both.visibility
    return Outputs(both.embedding, {}, both.parts, visible, both.extras)


def mirror_mean(network: ReidNetwork, images: Tensor, joints: Tensor | None = None) -> Outputs:
    """Means over pictures (B, 3, H, W) and their mirror images: a person looks the same either way.

    Vectors are of length 1 again; pixels and foreground of the mirror image are turned back.
    Branches and other extras are left out.

    Args:
        joints: (B, 14, 2) fractions of the pictures; mirrored, right and left change places.
    """
    plain = network.outputs(images, joints=joints)
    mirrored = network.outputs(
        images.flip(3), joints=None if joints is None else mirrored_joints(joints)
    )
    parts = visibility = None
    if plain.parts is not None and mirrored.parts is not None:
        parts = unit(plain.parts + mirrored.parts)
    if plain.visibility is not None and mirrored.visibility is not None:
        visibility = (plain.visibility + mirrored.visibility) / 2
    extras: dict[str, Tensor] = {}
    if {"pixels", "foreground"} <= plain.extras.keys():
        pixels = plain.extras["pixels"] + mirrored.extras["pixels"].flip(3)
        extras["pixels"] = torch.nn.functional.normalize(pixels, dim=1)
        extras["foreground"] = (
            plain.extras["foreground"] + mirrored.extras["foreground"].flip(2)
        ) / 2
    return Outputs(unit(plain.embedding + mirrored.embedding), {}, parts, visibility, extras)


def mirrored_joints(joints: Tensor) -> Tensor:
    """(B, 14, 2) -> where the joints are in the mirrored pictures."""
    swapped = joints[:, list(MIRRORED)]
    return torch.stack([1 - swapped[..., 0], swapped[..., 1]], -1)


def _embeddings(outputs: Outputs, fingerprint: str) -> Embeddings:
    def array(values: Tensor) -> NDArray[np.float32]:
        return values.float().cpu().numpy()

    embedding = array(outputs.embedding)
    if outputs.parts is None or outputs.visibility is None:
        none = np.zeros((len(embedding), 1, 1), np.float32)
        return Embeddings(embedding, none, none[:, :, 0], fingerprint)
    return Embeddings(embedding, array(outputs.parts), array(outputs.visibility), fingerprint)
