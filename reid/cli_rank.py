"""The command `reid rank`: a picture of what a network finds for a query, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid.cli_options import (
    ConfigOption,
    JsonOption,
    OurWeightsOption,
    OverridesArgument,
    QuietOption,
    ThreadsOption,
    exit_codes,
    more_data,
    parse_overrides,
)
from reid.errors import ReidError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reid.data.layout import MoreData
    from reid.embeddings import Embeddings
    from reid.inference import Embedder
    from reid.network import ReidNetwork
    from reid.opened_weights import WeightsChoice
    from reid.rank_drawing import Picture
    from reid.ranked import Labelled, Match

_KINDS = (".png", ".jpg", ".jpeg")


def rank_command(
    context: typer.Context,
    query: Annotated[list[Path], typer.Option(help="Crop of who is looked for; repeatable.")],
    overrides: OverridesArgument = None,
    data: Annotated[
        str | None,
        typer.Option(help="NAME=FOLDER_OR_ZIP: search its gallery; names as for evaluate."),
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Folder of crops to search instead of a data set.")
    ] = None,
    config: ConfigOption = None,
    weights: OurWeightsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write, .png or .jpg; default: rank_QUERY.png, here."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=50, help="Gallery pictures to show.")] = 10,
    distance: Annotated[str, typer.Option(help="global or aligned.")] = "global",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
    threads: ThreadsOption = 0,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw the best matches of queries: right green, wrong red, by the names of the files.

    A name that says no identity gives grey frames. Below are the activation map, part masks where
    the network has them, and the alignment path between the query and its best match. Pictures of
    the query's person in its own camera are left out, as in the evaluation.
    """
    with exit_codes():
        if distance not in ("global", "aligned"):
            raise ReidError(f"--distance {distance}: choose global or aligned")
        if (data is None) == (gallery is None):
            raise ReidError("give either --data or --gallery, which is searched")
        from reid.opened_weights import WeightsChoice

        picture = out or Path(f"rank_{query[0].stem}.png")
        _check_out(picture, overwrite)
        choice = WeightsChoice(weights, config, parse_overrides(overrides or []))
        searched = partial(_gallery, data, gallery, more_data(context))
        found = _rank(query, searched, choice, top, distance, threads, quiet)
        _write(picture, [block for _, block in found])
        said = {"out": str(picture), "distance": distance, "queries": [one for one, _ in found]}
        _print(said, as_json)


def _rank(
    queries: Sequence[Path],
    searched: Callable[[], AbstractContextManager[Sequence[Labelled]]],
    choice: WeightsChoice,
    top: int,
    distance: str,
    threads: int,
    quiet: bool,
) -> list[tuple[dict[str, Any], Picture]]:
    """What was found for each query, and its drawing."""
    from reid.data.market import read_image_bgr
    from reid.describe import embed_files
    from reid.inference import Embedder
    from reid.opened_weights import our_weights
    from reid.progress import image_progress
    from reid.ranked import Labelled
    from reid.weights_file import load_weights

    crops = [read_image_bgr(path) for path in queries]
    _check_kind(choice.path)
    with our_weights(choice) as (file, _), searched() as pictures:
        network = load_weights(file)[0]
        _check_network(network, choice.path, distance)
        embedder = Embedder(file, threads=threads)
        with image_progress("embed", quiet) as on_start:
            files = tuple(picture.path for picture in pictures)
            embedded = embed_files(embedder, files, on_start(len(files)))
        asked = embedder.embed(crops)
        distances = _distances(asked, embedded, distance)
        return [
            _one(
                Labelled.by_name(queries[row]),
                crops[row],
                asked[row : row + 1],
                (pictures, embedded, distances[row]),
                (network, embedder),
                top,
                distance,
            )
            for row in range(len(queries))
        ]


def _one(
    query: Labelled,
    crop: Picture,
    asked: Embeddings,
    searched: tuple[Sequence[Labelled], Embeddings, NDArray[np.float32]],
    model: tuple[ReidNetwork, Embedder],
    top: int,
    distance: str,
) -> tuple[dict[str, Any], Picture]:
    """Ranking and drawing of one query."""
    import numpy as np

    from reid.data.market import read_image_bgr
    from reid.embeddings import Embeddings
    from reid.rank_picture import align, draw_ranking, looks_of
    from reid.ranked import ranking

    pictures, embedded, distances = searched
    network, embedder = model
    matches = ranking(query, pictures, distances, top)
    crops = [crop, *(read_image_bgr(match.picture.path) for match in matches)]
    looks = looks_of(network, embedder.preprocess(crops)[0], crops)
    alignment = None
    if network.head.part_shape is not None:
        best = embedded[matches[0].row : matches[0].row + 1]
        pair = Embeddings(
            np.concatenate([asked.global_features, best.global_features]),
            np.concatenate([asked.part_features, best.part_features]),
            np.concatenate([asked.part_visibility, best.part_visibility]),
            asked.fingerprint,
        )
        alignment = align(pair, None if looks.masks is None else looks.masks[:2])
    who = "" if query.identity is None else f"   identity {query.identity}, camera {query.camera}"
    title = f"{query.path.name}{who}   ({distance} distance)"
    return _said(query, matches), draw_ranking(title, matches, looks, alignment)


@contextmanager
def _gallery(
    data: str | None, folder: Path | None, more: MoreData | None
) -> Iterator[Sequence[Labelled]]:
    """The pictures to search; those of a zip file are there inside only."""
    from reid.data.source import data_folder, load_split, parse_data
    from reid.ranked import Labelled, folder_gallery

    if folder is not None:
        yield folder_gallery(folder)
        return
    with data_folder(parse_data(data or "", more)) as source:
        crops = load_split(source, "gallery")
        labels = zip(crops.paths, crops.identities, crops.cameras, strict=True)
        yield tuple(Labelled(path, int(who), int(camera)) for path, who, camera in labels)


def _distances(query: Embeddings, gallery: Embeddings, name: str) -> NDArray[np.float32]:
    from reid.distances import cosine_distance
    from reid.evaluate import combined_distance

    if name == "aligned":
        return combined_distance(query, gallery)
    return cosine_distance(query.global_features, gallery.global_features)


def _said(query: Labelled, matches: Sequence[Match]) -> dict[str, Any]:
    return {
        "query": str(query.path),
        "identity": query.identity,
        "camera": query.camera,
        "matches": [
            {
                "rank": rank,
                "file": match.picture.path.name,
                "distance": round(match.distance, 5),
                "verdict": match.verdict,
            }
            for rank, match in enumerate(matches, 1)
        ],
    }


def _check_kind(path: Path) -> None:
    """Refuse weights of which nothing but the global vector is known.

    Raises:
        ReidError: another project's model, LOMO + XQDA, or no weights at all.
    """
    from reid.opened_weights import is_lomo

    if path.suffix not in (".safetensors", ".pt") or is_lomo(path):
        raise ReidError(
            f"{path}: not a network of this project, whose maps are drawn; give a .safetensors or, "
            "with --config, a checkpoint.pt (others' .xml, .onnx and .pth, and LOMO + XQDA, are "
            "for reid evaluate)"
        )


def _check_network(network: ReidNetwork, path: Path, distance: str) -> None:
    """Refuse a network that cannot do what is asked; `path` is named.

    Raises:
        ReidError: it needs body joints, or has no parts for the aligned distance.
    """
    if network.head.needs_joints:
        raise ReidError(f"{path}: needs body joints, which the crops of reid rank do not have")
    if distance == "aligned" and network.head.part_shape is None:
        raise ReidError(f"--distance aligned: the network of {path} has no parts")


def _check_out(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in _KINDS:
        raise ReidError(f"--out {out}: the name of a picture ends in .png or .jpg")
    if out.exists() and not overwrite:
        raise ReidError(f"{out}: exists already; add --overwrite to replace it")


def _write(out: Path, blocks: Sequence[Picture]) -> None:
    import cv2

    from reid.rank_picture import sheet

    coded = cv2.imencode(out.suffix.lower(), sheet(blocks))[1]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(coded.tobytes())


def _print(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(said))
        return
    for query in said["queries"]:
        right = sum(match["verdict"] == "right" for match in query["matches"])
        wrong = sum(match["verdict"] == "wrong" for match in query["matches"])
        shown = len(query["matches"])
        typer.echo(f"{query['query']}: {shown} shown, {right} right, {wrong} wrong")
    typer.echo(said["out"])
