"""The aligned part distance in torch: blocks that fit the cache, one thread per block.

A block is a few dozen bodies against a few hundred. Its costs and path sums stay in the second
level cache of one core, so that memory beyond the output grows with M + N only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import torch
from torch import Tensor

from reid.aligned_cells import cell_weights, costs_from_products, product_rows, row_width
from reid.aligned_paths import PathSweep, cheapest_free_mean, cheapest_sum, cheapest_weighted_mean

_CPU_BLOCK_CELLS = 1 << 19
_GPU_BLOCK_CELLS = 1 << 27
_BLOCK_ROWS = 64
_ROW_TILE, _COLUMN_TILE = 4, 16


@dataclass(frozen=True)
class Body:
    """Parts (n, P, d) of n bodies, and their visibility (n, P) where it matters."""

    parts: Tensor
    seen: Tensor | None

    def __len__(self) -> int:
        return len(self.parts)


def mean_path_costs(a: Body, b: Body, *, free_ends: bool, bfloat16: bool) -> Tensor:
    """(M, N) float32 on the tensors' device: mean cost along the cheapest path.

    On a CPU it keeps as many threads busy as torch may use (`torch.get_num_threads`). On a GPU,
    bfloat16 products also mean float16 path sums, which halves the memory traffic.
    """
    with torch.inference_mode(False), torch.no_grad():
        out = torch.empty(len(a), len(b), device=a.parts.device)
        if not out.numel():
            return out
        if len(a) <= len(b):
            _fill(out, _Blocks(a, b, free_ends, bfloat16))
        else:
            _fill(out.T, _Blocks(b, a, free_ends, bfloat16))
    return out


class _Blocks:
    """How M x N pairs, M <= N, are cut; shared by all threads."""

    def __init__(self, a: Body, b: Body, free_ends: bool, bfloat16: bool) -> None:
        self.a, self.b, self.free_ends, self.bfloat16 = a, b, free_ends, bfloat16
        self.on_gpu = _on_gpu(a.parts)
        self.threads = 1 if self.on_gpu else torch.get_num_threads()
        cells = _GPU_BLOCK_CELLS if self.on_gpu else _CPU_BLOCK_CELLS
        pairs = max(1, cells // a.parts.shape[1] ** 2)
        most = max(1, int(pairs**0.5)) if self.on_gpu else _BLOCK_ROWS
        self.rows = -(-len(a) // -(-len(a) // most))
        self.columns = max(1, min(pairs // self.rows, -(-len(b) // self.threads)))
        if self.columns > _COLUMN_TILE:
            self.columns = _whole(self.columns - _COLUMN_TILE + 1, _COLUMN_TILE)
        self.left = [
            product_rows(part, left=True, bfloat16=bfloat16) for part in a.parts.split(self.rows)
        ]

    def starts(self) -> range:
        """First column of each task."""
        return range(0, len(self.b), self.columns)

    def right(self, start: int, memory: Tensor) -> Tensor:
        """Factors of the second bodies from `start` on."""
        parts = self.b.parts[start : start + self.columns]
        return product_rows(parts, left=False, bfloat16=self.bfloat16, memory=memory)


def _whole(number: int, tile: int) -> int:
    """The next multiple: products are fastest on whole tiles."""
    return -(-number // tile) * tile


class _Worker:
    """One thread's buffers."""

    def __init__(self, blocks: _Blocks) -> None:
        self._blocks = blocks
        parts = blocks.b.parts
        self._right = blocks.left[0].new_empty(
            blocks.columns * parts.shape[1] * row_width(parts.shape[2], blocks.bfloat16)
        )
        most = blocks.rows * blocks.columns * parts.shape[1] ** 2
        self._products = blocks.left[0].new_empty(most)
        self._cells = self._products
        if blocks.bfloat16:
            half = torch.float16 if blocks.on_gpu else torch.float32
            self._cells = torch.empty(most, dtype=half, device=parts.device)
        self._views: dict[tuple[int, int], tuple[Tensor, Tensor, PathSweep]] = {}

    def run(self, start: int, out: Tensor) -> None:
        """Fill the columns of `out` (M, N) from `start` on."""
        blocks = self._blocks
        right = blocks.right(start, self._right)
        width = len(right) // blocks.b.parts.shape[1]
        for number, left in enumerate(blocks.left):
            first = number * blocks.rows
            rows = slice(first, min(first + blocks.rows, len(blocks.a)))
            columns = slice(start, start + width)
            self._block(left, right, rows, columns, out[rows, columns])

    def _block(self, left: Tensor, right: Tensor, rows: slice, columns: slice, out: Tensor) -> None:
        blocks = self._blocks
        products, cells, sweep = self._buffers(left, right)
        torch.mm(left, right.T, out=products)
        costs_from_products(products, out=cells)
        shaped = cells.view(
            sweep.part_count, rows.stop - rows.start, sweep.part_count, columns.stop - columns.start
        )
        if blocks.a.seen is not None and blocks.b.seen is not None:
            weights = cell_weights(torch, blocks.a.seen[rows], blocks.b.seen[columns])
            weights = weights.to(shaped)
            out[...] = cheapest_weighted_mean(torch, shaped, weights, blocks.free_ends)
        elif blocks.free_ends:
            out[...] = cheapest_free_mean(torch, sweep)
        else:
            torch.div(cheapest_sum(sweep), 2 * sweep.part_count - 1, out=out)

    def _buffers(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, PathSweep]:
        """Products, costs (the same memory where the data types agree) and the path sums."""
        shape = len(left), len(right)
        if shape not in self._views:
            parts = self._blocks.a.parts.shape[1]
            products, cells = (
                memory[: math.prod(shape)].view(shape) for memory in (self._products, self._cells)
            )
            sweep = PathSweep(torch, cells.view(parts, shape[0] // parts, parts, shape[1] // parts))
            self._views[shape] = products, cells, sweep
        return self._views[shape]


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.is_cuda


def _fill(out: Tensor, blocks: _Blocks) -> None:
    """Compute all blocks into `out` (M, N)."""
    tasks: SimpleQueue[int] = SimpleQueue()
    for start in blocks.starts():
        tasks.put(start)

    def work() -> None:
        worker = _Worker(blocks)
        for start in _drain(tasks):
            worker.run(start, out)

    threads = min(blocks.threads, tasks.qsize())
    if threads == 1:
        work()
        return
    _in_threads(work, threads)


def _in_threads(work: Callable[[], None], threads: int) -> None:
    """Run `work` in several threads, each with one torch thread of its own.

    torch keeps the number of threads per thread but also notes the last one set as that of new
    threads, which is put back.
    """
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for done in [pool.submit(work) for _ in range(threads)]:
                done.result()
    finally:
        torch.set_num_threads(before)


def _drain(tasks: SimpleQueue[int]) -> Iterator[int]:
    while True:
        try:
            yield tasks.get_nowait()
        except Empty:
            return
