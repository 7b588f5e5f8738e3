"""What the rank command finds, draws, prints and refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from reid_builders import (
    TINY,
    TINY_HW,
    market_folder,
    person,
    tiny_config,
    tiny_model,
    tiny_weights,
    tiny_yaml,
    unit_rows,
)
from reid_settled import settled
from typer.testing import CliRunner, Result

from reid import inference
from reid.build import build_model
from reid.cli import app
from reid.config import ModelConfig
from reid.distances import alignment_path
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.rank_drawing import (
    BLACK,
    FRAME,
    GREEN,
    GREY,
    RED,
    TEXT_HEIGHT,
    cost_matrix,
    framed,
    heated,
    joined_bodies,
    masked,
    part_colours,
    side_by_side,
    stacked,
    text_line,
)
from reid.rank_picture import CELL_WIDTH, Looks, align, draw_ranking, looks_of
from reid.ranked import Labelled, Match, Verdict, folder_gallery, is_junk, ranking, verdict
from reid.terms.base import Facts
from reid.training_state import save_checkpoint, start_state
from reid.weights_file import save_weights

CELL_HEIGHT = 2 * CELL_WIDTH
NAME = "0002_c1s1_000451_03.jpg"


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["rank", *(str(word) for word in words)])


@pytest.fixture(autouse=True)
def in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO takes seconds to convert even a tiny network."""
    monkeypatch.setattr(inference, "Embedder", partial(inference.Embedder, runtime="torch"))


def labelled(name: str) -> Labelled:
    return Labelled.by_name(Path("gallery") / name)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return market_folder(tmp_path_factory.mktemp("data") / "M", 3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "a.safetensors")


@pytest.fixture(scope="module")
def query(data: Path) -> Path:
    return sorted((data / "query").iterdir())[0]


@pytest.mark.parametrize(
    ("query", "other", "expected"),
    [
        (NAME, "0002_c2s1_000001_01.jpg", "right"),
        (NAME, "0003_c2s1_000001_01.jpg", "wrong"),
        (NAME, "0000_c2s1_000001_01.jpg", "wrong"),
        (NAME, "holiday.jpg", "unknown"),
        ("me.jpg", "0002_c2s1_000001_01.jpg", "unknown"),
        ("0000_c1s1_000001_01.jpg", "0000_c2s1_000001_01.jpg", "unknown"),
        ("-1_c1s1_000001_01.jpg", "-1_c2s1_000001_01.jpg", "unknown"),
    ],
)
def test_verdict(query: str, other: str, expected: Verdict) -> None:
    assert verdict(labelled(query), labelled(other)) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("0002_c1s2_000009_01.jpg", True),
        ("0002_c2s1_000001_01.jpg", False),
        ("0003_c1s1_000001_01.jpg", False),
        (NAME, True),
        ("me.jpg", False),
    ],
)
def test_the_protocols_junk(other: str, expected: bool) -> None:
    assert is_junk(labelled(NAME), labelled(other)) is expected


def test_a_query_without_a_name_is_not_its_own_match() -> None:
    assert is_junk(labelled("me.jpg"), labelled("me.jpg"))


def test_ranking_skips_junk_and_stops() -> None:
    names = ["0003_c2_1.jpg", "0002_c1_9.jpg", "0002_c2_1.jpg", "0004_c3_1.jpg", "x.jpg"]
    gallery = [labelled(name) for name in names]
    found = ranking(labelled(NAME), gallery, np.array([0.4, 0.1, 0.2, 0.9, 0.3]), 3)
    assert [(m.row, m.distance, m.verdict) for m in found] == [
        (2, 0.2, "right"),
        (4, 0.3, "unknown"),
        (0, 0.4, "wrong"),
    ]
    with pytest.raises(ReidError, match="no other picture than junk"):
        ranking(labelled(NAME), gallery[1:2], np.array([0.1]), 3)


def test_folder_gallery_leaves_junk_out(tmp_path: Path) -> None:
    for name in ("-1_c1s1_1.jpg", "0002_c1_1.png", "b.JPG", "notes.txt"):
        (tmp_path / name).touch()
    found = folder_gallery(tmp_path)
    assert [picture.path.name for picture in found] == ["0002_c1_1.png", "b.JPG"]
    assert (found[0].identity, found[0].camera, found[1].identity) == (2, 1, None)


def test_frames_and_stacks() -> None:
    crop = person(1, 0)
    cell = framed(crop, RED)
    assert cell.shape == (64 + 2 * FRAME, 32 + 2 * FRAME, 3)
    assert (cell[:FRAME] == RED).all()
    np.testing.assert_array_equal(cell[FRAME:-FRAME, FRAME:-FRAME], crop)
    pair = side_by_side([crop, crop[:10]], 4)
    assert pair.shape == (64, 68, 3)
    assert (pair[10:, 36:] == 255).all()
    tower = stacked([crop, crop[:, :10]], 4)
    assert tower.shape == (132, 32, 3)
    assert (tower[68:, 10:] == 255).all()


@pytest.mark.parametrize("text", ["1", "a name that is far too long for its place in the picture"])
def test_text_fits(text: str) -> None:
    line = text_line(text, 300)
    assert line.shape == (TEXT_HEIGHT, 300, 3)
    assert (line < 128).any()
    assert (line[:, -2:] == 255).all()


def test_heat_is_red_where_it_is_hot() -> None:
    heat = np.zeros((4, 2))
    heat[3] = 1
    blue, _, red = np.moveaxis(heated(np.full((64, 32, 3), 128, np.uint8), heat).astype(int), 2, 0)
    assert red[60].mean() > blue[60].mean()
    assert red[2].mean() < blue[60].mean() + 60


def test_masks_colour_parts_and_darken_the_background() -> None:
    masks = np.zeros((3, 4, 2))
    masks[0, :2], masks[1, 2:3], masks[2, 3:] = 1, 1, 1
    shown = masked(np.full((64, 32, 3), 200, np.uint8), masks)
    first, second = (np.array(colour) for colour in part_colours(2))
    np.testing.assert_allclose(shown[4, 16], 100 + first / 2, atol=1)
    np.testing.assert_allclose(shown[40, 16], 100 + second / 2, atol=1)
    np.testing.assert_allclose(shown[62, 16], 100, atol=1)


def test_lines_join_the_parts_of_the_path() -> None:
    costs = np.array([[0.1, 0.5], [0.5, 0.2]])
    centres = np.array([0.25, 0.75])
    body = np.full((80, 20, 3), 128, np.uint8)
    drawn = joined_bodies(body, body, [(0, 0), (0, 1), (1, 1)], (centres, centres), costs, 60)
    assert drawn.shape == (80, 100, 3)
    middle = drawn[:, 50].astype(int).min(1) < 250
    rows = np.flatnonzero(middle)
    assert rows.min() >= 17
    assert rows.max() <= 63
    assert {20, 40, 60} <= set(rows.tolist())
    np.testing.assert_array_equal(drawn[:, :10], body[:, :10])


def test_the_matrix_is_dark_where_parts_are_alike() -> None:
    costs = np.array([[0.1, 0.7], [0.7, 0.1]])
    drawn = cost_matrix(costs, [(0, 0), (0, 1), (1, 1)], 40)
    assert drawn.shape == (40, 40, 3)
    assert (drawn[2, 2] < drawn[2, 38]).all()
    assert tuple(drawn[10, 20]) == RED


def embeddings(rng: np.random.Generator, count: int, parts: int = 4) -> Embeddings:
    seen = np.ones((count, parts), np.float32)
    return Embeddings(unit_rows(rng, count, 8), unit_rows(rng, count, parts, 6), seen, "f")


def test_alignment_of_stripes_and_of_masks() -> None:
    pair = embeddings(np.random.default_rng(0), 2)
    found = align(pair)
    a, b = pair.part_features.astype(np.float64)
    total, by_hand = 0.0, np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            by_hand[i, j] = np.tanh(np.sqrt(((a[i] - b[j]) ** 2).sum()) / 2)
    np.testing.assert_allclose(found.costs, by_hand)
    assert found.path == alignment_path(pair.part_features[0], pair.part_features[1])
    total = sum(by_hand[i, j] for i, j in found.path)
    assert found.distance == pytest.approx(total / 7, abs=1e-5)
    np.testing.assert_allclose(found.centres[0], [0.125, 0.375, 0.625, 0.875])
    masks = np.zeros((2, 5, 4, 2), np.float32)
    masks[:, :, 0] = 1
    masks[1, 3] = 0
    masks[1, 3, 2:] = 0.5
    found = align(pair, masks)
    np.testing.assert_allclose(found.centres[0], 0.125)
    assert found.centres[1][3] == pytest.approx(0.75)


def test_block_has_a_row_for_everything() -> None:
    rng = np.random.default_rng(0)
    crops = tuple(cv2.resize(person(k, 0), (CELL_WIDTH, CELL_HEIGHT)) for k in range(3))
    matches = [
        Match(0, labelled("0002_c2_1.jpg"), 0.1, "right"),
        Match(1, labelled("x.jpg"), 0.2, "unknown"),
    ]
    looks = Looks(crops, rng.random((3, 4, 2), np.float32))  # type: ignore[arg-type]
    plain = draw_ranking("title", matches, looks, None)
    masks = rng.random((3, 5, 4, 2), np.float32)
    with_masks = draw_ranking("title", matches, Looks(crops, looks.activation, masks), None)  # type: ignore[arg-type]
    full = draw_ranking("title", matches, looks, align(embeddings(rng, 2)))
    assert plain.shape[0] < with_masks.shape[0] < full.shape[0]
    for colour in (BLACK, GREEN, GREY):
        assert (plain == colour).all(2).sum() > 2 * FRAME * CELL_HEIGHT
    assert not (plain == RED).all(2).any()
    top = TEXT_HEIGHT + 8 + TEXT_HEIGHT + FRAME
    np.testing.assert_array_equal(
        plain[top : top + CELL_HEIGHT, FRAME : FRAME + CELL_WIDTH], crops[0]
    )


def test_looks_have_the_networks_proportions_and_masks() -> None:
    crops = [person(1, 0), person(2, 0, 30, 30)]
    images = np.random.default_rng(0).standard_normal((2, 3, *TINY_HW), np.float32)
    looks = looks_of(tiny_model(), images, crops)
    assert [crop.shape for crop in looks.crops] == [(CELL_HEIGHT, CELL_WIDTH, 3)] * 2
    assert looks.masks is None
    assert looks.activation.min() == 0
    assert looks.activation.max() == pytest.approx(1)
    head = {"name": "pgr", "dim": 8, "part_count": 3, "part_dim": 4, "pixel_dim": 4}
    config = ModelConfig(backbone=TINY.backbone, head=head)  # type: ignore[arg-type]
    masks = looks_of(tiny_model(0, config), images, crops).masks
    assert masks is not None
    assert masks.shape[:2] == (2, 4)
    np.testing.assert_allclose(masks.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("distance", ["global", "aligned"])
def test_rank_draws_and_says_what_it_found(
    tmp_path: Path, data: Path, weights: Path, query: Path, distance: str
) -> None:
    out = tmp_path / "new" / "rank.png"
    words = ("--query", query, "--data", f"market1501={data}", "--weights", weights)
    result = call(
        *words, "--out", out, "--top", 4, "--distance", distance, "--threads", 1, "--json"
    )
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["out"] == str(out)
    (found,) = said["queries"]
    assert (found["identity"], found["camera"]) == (1, 1)
    assert [match["rank"] for match in found["matches"]] == [1, 2, 3, 4]
    distances = [match["distance"] for match in found["matches"]]
    assert distances == sorted(distances)
    for match in found["matches"]:
        assert not match["file"].startswith("0001_c1")
        right = match["file"].startswith("0001_c2")
        assert match["verdict"] == ("right" if right else "wrong")
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape[1] > 5 * CELL_WIDTH
    assert (picture == RED).all(2).any()


def test_rank_in_a_folder_without_names(tmp_path: Path, weights: Path, query: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), person(number, 0))
    words = ("--gallery", folder, "--weights", weights, "--threads", 1, "--out", tmp_path / "a.jpg")
    result = call("--query", query, "--query", folder / "0.png", *words)
    assert result.exit_code == 0, result.stderr
    assert "3 shown, 0 right, 0 wrong" in result.stdout
    assert "2 shown" in result.stdout  # the second query is in the gallery itself
    assert cv2.imread(str(tmp_path / "a.jpg")) is not None
    again = call("--query", query, *words)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--query", "none.jpg"), "none.jpg: not a readable image"),
        (("--query", __file__), "test_reid_rank.py: not a readable image"),
        (("--weights", "none.safetensors"), "none.safetensors: no such weight file"),
        (("--weights", __file__), "test_reid_rank.py: not a network of this project"),
        (("--weights", "peer.xml"), "give a .safetensors or, with --config, a checkpoint.pt"),
        (("--weights", "peer.pth"), "others' .xml, .onnx and .pth, and LOMO + XQDA, are for"),
        (("--weights", "checkpoint.pt"), "checkpoint.pt: no such weight file"),
        (("--config", "none.yaml"), "none.yaml: No such file"),
        (("--gallery", "nowhere"), "nowhere: no such folder"),
        (("--gallery", "EMPTY"), "no .jpg or .png pictures there"),
        (("--data", "market1501=EMPTY"), "give either --data or --gallery"),
        (("--distance", "far"), "--distance far: choose global or aligned"),
        (("--out", "rank.txt"), "rank.txt: the name of a picture ends in .png or .jpg"),
    ],
)
def test_rank_refuses(
    tmp_path: Path, weights: Path, query: Path, words: tuple[str, str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    given = {"--query": query, "--weights": weights, "--gallery": query.parent}
    given |= {"--out": tmp_path / "a.png"} | {words[0]: Path(words[1].replace("EMPTY", str(empty)))}
    result = call(*(word for pair in given.items() for word in pair))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "a.png").exists()


def test_a_network_without_parts_has_no_aligned_distance(tmp_path: Path, query: Path) -> None:
    head = {"name": "bnneck", "dim": 8}
    config = ModelConfig(backbone=TINY.backbone, head=head)  # type: ignore[arg-type]
    path = tmp_path / "b.safetensors"
    save_weights(tiny_model(0, config), config, TINY_HW, path)
    words = ("--query", query, "--gallery", query.parent, "--weights", path, "--threads", 1)
    result = call(*words, "--out", tmp_path / "a.png", "--distance", "aligned")
    assert result.exit_code == 2
    assert "has no parts" in result.stderr
    assert call(*words, "--out", tmp_path / "a.png").exit_code == 0


def test_the_picture_is_named_after_the_first_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path, query: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--query", query, "--gallery", query.parent, "--weights", weights, "--threads", 1)
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    written = tmp_path / f"rank_{query.stem}.png"
    assert result.stdout.splitlines()[-1] == written.name
    assert cv2.imread(str(written)) is not None
    written.write_bytes(b"mine")
    again = call(*words)
    assert (again.exit_code, written.read_bytes()) == (2, b"mine")
    assert again.stderr == f"{written.name}: exists already; add --overwrite to replace it\n"
    assert call(*words, "--overwrite").exit_code == 0
    assert cv2.imread(str(written)) is not None


def test_a_checkpoint_ranks_as_its_weight_file_does(tmp_path: Path, query: Path) -> None:
    config = tiny_config()
    state = start_state(config, Facts(identities=6), "cpu")
    settled(state.average, 3)
    save_checkpoint(state, config, tmp_path / "checkpoint.pt")
    system = tiny_yaml(tmp_path / "tiny.yaml")
    save_weights(state.average, config.model, TINY_HW, tmp_path / "a.safetensors")
    out = ("--out", tmp_path / "a.png", "--overwrite", "--json")
    words = ("--query", query, "--gallery", query.parent, "--threads", 1, *out)
    said = []
    for file, rest in (("a.safetensors", ()), ("checkpoint.pt", ("--config", system))):
        result = call(*words, "--weights", tmp_path / file, *rest)
        assert result.exit_code == 0, result.stderr
        said.append(json.loads(result.stdout)["queries"][0]["matches"])
    assert said[0] == said[1]
    other = (*words, "--weights", tmp_path / "checkpoint.pt")
    alone = call(*other)
    assert alone.exit_code == 2
    assert "checkpoint.pt: --config is missing" in alone.stderr
    changed = call(*other, "--config", system, "model.backbone.width=0.125")
    assert changed.exit_code == 2
    assert "the checkpoint is of another architecture than tiny" in changed.stderr


def test_a_network_that_needs_joints_is_refused_by_its_name(tmp_path: Path, query: Path) -> None:
    head = {"name": "glad", "dim": 8, "crop": "map", "head_hw": [16, 16], "body_hw": [16, 16]}
    config = ModelConfig(backbone=TINY.backbone, head=head)  # type: ignore[arg-type]
    path = tmp_path / "glad.safetensors"
    save_weights(build_model(config), config, TINY_HW, path)
    words = ("--query", query, "--gallery", query.parent, "--weights", path)
    result = call(*words, "--out", tmp_path / "a.png")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{path}: needs body joints")
