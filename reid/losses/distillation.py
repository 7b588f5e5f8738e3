"""Learning from a stronger model's features.

The student regresses the teacher's direction (feature distillation, Romero et al., FitNets) and
keeps the teacher's similarities inside a batch (relational, Park et al., CVPR 2019).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reid.precision import at_least_float32


def cosine_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cos(student_i, teacher_i); both (B, T)."""
    return (1 - F.cosine_similarity(at_least_float32(student), teacher, dim=1)).mean()


def similarity_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the two batch cosine matrices; (B, D) and (B, T)."""
    ours = F.normalize(at_least_float32(student), dim=1)
    theirs = F.normalize(teacher, dim=1)
    return (ours @ ours.T - theirs @ theirs.T).pow(2).mean()
