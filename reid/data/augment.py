"""Augmentation of a whole batch at once, on whatever device the batch lives.

Market-1501 has six sunny cameras of one make. Other sites differ in colour, sharpness and in
how the detector cuts people, so that is what is varied here.
"""

from __future__ import annotations

from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor

from reid.data.augment_config import AugmentConfig
from reid.data.joints import move_joints


@overload
def augment(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor: ...


@overload
def augment(
    images: Tensor, config: AugmentConfig, generator: torch.Generator, joints: Tensor
) -> tuple[Tensor, Tensor]: ...


def augment(
    images: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    joints: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """(B, 3, H, W) float in 0..1 -> the same shape, varied; deterministic given the generator.

    The generator is of the images' device. With `joints` (B, 14, 2), fractions as in
    `load_joints`, they move with the pictures and are returned too; NaN where a joint has left
    the picture or is cut off at the bottom, but not where it is erased (it is still there, behind
    something). The pictures are the same with and without joints.
    """
    images, theta = _affine(images, config, generator)
    images = _colour(images, config, generator)
    images = _blur(images, config, generator)
    images, shift = _pad_crop(images, config, generator)
    images, cut = _truncate(images, config, generator)
    images = _erase(images, config, generator)
    if joints is None:
        return images
    joints = move_joints(joints, theta) + shift[:, None]
    seen = (joints >= 0) & (joints <= 1)
    seen[:, :, 1] &= joints[:, :, 1] < cut[:, None]
    return images, joints.masked_fill(~seen.all(2, keepdim=True), torch.nan)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device) * (high - low) + low


def _chosen(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Which rows of a batch are varied, each by itself: (n,) int64."""
    return (_uniform(count, 0, 1, generator) < probability).nonzero().flatten()


def _affine(
    images: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mirrored, zoomed and shifted pictures, and theta (B, 2, 3) of `affine_grid`."""
    count = len(images)
    theta = torch.zeros(count, 2, 3, device=images.device)
    zoom = 1 + _uniform(count, -config.scale, config.scale, generator)
    mirror = torch.where(_uniform(count, 0, 1, generator) < config.flip, -1.0, 1.0)
    theta[:, 0, 0] = zoom * mirror
    theta[:, 1, 1] = zoom * (1 + _uniform(count, -config.scale, config.scale, generator) / 2)
    theta[:, 0, 2] = 2 * _uniform(count, -config.shift, config.shift, generator)
    theta[:, 1, 2] = 2 * _uniform(count, -config.shift, config.shift, generator)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False), theta


def _colour(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    count, strength = len(images), config.colour

    def factor(spread: float, channels: int = 1) -> Tensor:
        return 1 + _uniform(count * channels, -spread, spread, generator).view(-1, channels, 1, 1)

    luma = images.mean(1, keepdim=True)
    grey = (_uniform(count, 0, 1, generator) < config.grey).view(-1, 1, 1, 1)
    saturation = torch.where(grey, torch.zeros_like(luma[:, :, :1, :1]), factor(1.4 * strength))
    images = torch.lerp(luma, images, saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast, brightness, gamma = factor(strength), factor(1.2 * strength), factor(strength)
    gain = factor(strength / 3, 3)
    images = torch.addcmul(mean * (brightness - contrast) * gain, images, contrast * gain)
    return images.clamp_(1e-4, 1).log_().mul_(gamma).exp_()


def _blur(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    chosen = _chosen(len(images), config.blur, generator)
    for group in chosen.chunk(3):
        if len(group):
            factor = float(_uniform(1, 0.4, 0.8, generator))
            small = F.interpolate(images[group], scale_factor=factor, mode="area")
            images[group] = F.interpolate(small, size=images.shape[2:], mode="bilinear")
    return images


def _band(low: Tensor, high: Tensor, size: int) -> Tensor:
    """(B,) fractions -> (B, size) bool, true between low and high."""
    centres = (torch.arange(size, device=low.device) + 0.5) / size
    return (centres >= low[:, None]) & (centres < high[:, None])


def _pad_crop(
    images: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pad with black and cut out at random; also the shift (B, 2) in fractions x, y."""
    (count, _, height, width), pad = images.shape, config.pad_crop
    if not pad:
        return images, images.new_zeros(count, 2)
    corner = torch.randint(
        0, 2 * pad + 1, (count, 2), generator=generator, device=generator.device
    ).to(images.device)
    columns = corner[:, :1] + torch.arange(width, device=images.device)
    rows = corner[:, 1:] + torch.arange(height, device=images.device)
    padded = F.pad(images, (pad, pad, pad, pad)).permute(0, 2, 3, 1)
    item = torch.arange(count, device=images.device)[:, None, None]
    cropped = padded[item, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return cropped.contiguous(), (pad - corner) / corner.new_tensor([width, height])


def _truncate(
    images: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures cut off at the bottom, and where (B,): the fraction of the height left, or inf."""
    chosen = _chosen(len(images), config.truncate, generator)
    cut = 1 - _uniform(len(chosen), 0.1, 0.5, generator)
    mask = _band(cut, torch.full_like(cut, 2.0), images.shape[2])[:, None, :, None]
    images[chosen] = torch.where(mask, images.new_tensor(MEAN).view(1, 3, 1, 1), images[chosen])
    every = images.new_full((len(images),), torch.inf)
    every[chosen] = cut.to(every)
    return images, every


def _erase(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    chosen = _chosen(len(images), config.erase, generator)
    count = len(chosen)
    area = _uniform(count, 0.02, 0.3, generator)
    ratio = torch.exp(_uniform(count, -1.2, 1.2, generator))
    height = (area * ratio).sqrt().clamp(max=0.8)
    width = (area / ratio).sqrt().clamp(max=0.8)
    top = _uniform(count, 0, 1, generator) * (1 - height)
    left = _uniform(count, 0, 1, generator) * (1 - width)
    rows = _band(top, top + height, images.shape[2])[:, None, :, None]
    columns = _band(left, left + width, images.shape[3])[:, None, None, :]
    noise = torch.rand((count, *images.shape[1:]), generator=generator, device=images.device)
    images[chosen] = torch.where(rows & columns, noise, images[chosen])
    return images


MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..1 -> zero mean, unit variance by the usual channel statistics."""
    mean = images.new_tensor(MEAN).view(1, 3, 1, 1)
    return (images - mean) / images.new_tensor(STD).view(1, 3, 1, 1)
