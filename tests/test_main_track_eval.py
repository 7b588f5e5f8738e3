"""`track-eval` from the command line: tables, files, the cache, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.clip_writer import clip_suffix
from pipeline.tracking.track_eval import default_cache
from tests.pipeline.tracking.sequence_builders import (
    CountingDetector,
    CountingEmbedder,
    write_sequence,
)
from tests.test_main import call
from tests.test_main_bad_input import refused
from tests.trackers.test_metrics_labels import trackeval_of_files, write_benchmark
from trackers.presets import PRESETS

DET = ["--detections", "det/det.txt"]
FIGURES = {
    "hota": ("hota", "HOTA"),
    "det_a": ("hota", "DetA"),
    "ass_a": ("hota", "AssA"),
    "idf1": ("identity", "IDF1"),
    "mota": ("clear", "MOTA"),
    "idsw": ("clear", "IDSW"),
    "fragments": ("clear", "Frag"),
}
"""Ours, and TrackEval's part and name of it."""


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Any, Any]:
    """A detector that finds rectangles and an embedder that sees colours, in an empty folder."""
    detector, embedder = CountingDetector(tmp_path / "weights"), CountingEmbedder()
    monkeypatch.setattr("pipeline.detector.Detector", lambda: detector)
    monkeypatch.setattr("pipeline.embedder.load_embedder", lambda weights: embedder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return detector, embedder


@pytest.fixture
def data(models: object, tmp_path: Path) -> Path:
    """Two sequences."""
    write_sequence(tmp_path / "data", "one", 12)
    write_sequence(tmp_path / "data", "two", 20, gap=range(8, 12))
    return tmp_path / "data"


def found(*arguments: object) -> dict[str, Any]:
    done = call("track-eval", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_table_of_all_sequences(data: Path) -> None:
    done = call("track-eval", "--data", data, *DET)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "crosswalk"
    assert " ".join(lines[1].split()) == "sequence HOTA DetA AssA IDF1 MOTA IDSW Frag Hz"
    assert [line.split()[0] for line in lines[3:]] == ["one", "two", "combined", "mean"]
    for line in ("one: embed: 12/12", "one: track: 12/12", "two: track: 20/20"):
        assert line in done.stderr


def test_the_figures_of_a_tracker(data: Path) -> None:
    (run,) = found("--data", data / "one", "--data", data, *DET)["presets"]
    assert list(run["sequences"]) == ["one", "two"]
    assert run["sequences"]["one"]["idf1"] == pytest.approx(1)
    assert run["sequences"]["one"]["idsw"] == 0
    assert run["combined"]["hz"] > 0
    hotas = [figures["hota"] for figures in run["sequences"].values()]
    assert run["mean"]["hota"] == pytest.approx(sum(hotas) / 2)
    assert run["one_id_space"] is None


def test_interpolation_can_be_left_out(data: Path) -> None:
    filled = found("--data", data / "two", *DET)["presets"][0]["combined"]
    gaps = found("--data", data / "two", *DET, "--no-interpolation")
    assert filled["mota"] == pytest.approx(1)
    assert gaps["presets"][0]["combined"]["mota"] == pytest.approx(36 / 40)
    assert gaps["presets"][0]["combined"]["fragments"] == 1
    assert gaps["settings"]["interpolation"] is False


def test_boxes_and_embeddings_are_computed_once(data: Path, models: Any, tmp_path: Path) -> None:
    detector, embedder = models
    for _ in range(2):
        found("--data", data / "one")
    assert (detector.pictures, embedder.crops) == (12, 24)
    assert default_cache() == tmp_path / "user-cache" / "crosswalk" / "tracking"
    assert len(list(default_cache().iterdir())) == 3, "boxes, embeddings, camera motion"
    found("--data", data / "one", "--cache", tmp_path / "other")
    assert (detector.pictures, embedder.crops) == (24, 48)
    assert len(list((tmp_path / "other").iterdir())) == 3


def test_the_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "crosswalk" / "tracking"


def test_without_appearance_nothing_is_embedded(data: Path, models: Any) -> None:
    report = found("--data", data, *DET, "--no-appearance")
    assert models[1].crops == 0
    assert report["presets"][0]["sequences"]["one"]["idf1"] == pytest.approx(1)
    assert report["settings"]["appearance"] is False


def test_presets_are_compared_and_their_files_kept_apart(data: Path, tmp_path: Path) -> None:
    plain, blind = tmp_path / "plain.yaml", tmp_path / "blind.yaml"
    default = (PRESETS / "crosswalk.yaml").read_text()
    plain.write_text(default)
    blind.write_text(f"{default}\nbirths.min_score: 0.95\n")
    arguments = ["--data", data, *DET, "--preset", plain, "--preset", blind, "--out", "tracks"]
    done = call("track-eval", *arguments)
    assert done.exit_code == 0, done.stderr
    titles = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert titles[:4] == ["plain", "blind", "combined", "mean over the sequences"]
    files = sorted(str(path) for path in Path("tracks").rglob("*.txt"))
    assert files == [f"tracks/{p}/{s}.txt" for p in ("blind", "plain") for s in ("one", "two")]
    assert Path("tracks/blind/one.txt").read_text() == ""
    assert Path("tracks/plain/one.txt").read_text().startswith("1,1,6.000,4.000,14.000,36.000,")


def test_settings_are_changed(data: Path) -> None:
    report = found("--data", data / "one", *DET, "--set", "births.min_score=0.95")
    assert report["presets"][0]["combined"]["mota"] == 0
    assert report["settings"]["set"] == {"births.min_score": 0.95}


def test_written_tracks_score_the_same_when_read(data: Path) -> None:
    run = found("--data", data, *DET, "--out", "tracks", "--no-interpolation")["presets"][0]
    (read,) = found("--data", data, "--results", "tracks")["results"]
    assert read["sequences"]["one"].pop("hz") is None
    run["sequences"]["one"].pop("hz")
    assert read["sequences"]["one"] == run["sequences"]["one"]
    assert read["mean"]["hota"] == run["mean"]["hota"]


def test_videos_and_plots_are_drawn(data: Path) -> None:
    report = found("--data", data, *DET, "--render", "drawn", "--plot", "drawn")
    names = {f"{name}{suffix}" for name in ("one", "two") for suffix in (clip_suffix(), ".png")}
    assert {path.name for path in Path("drawn").iterdir()} == names
    assert {Path(path).name for path in report["files"]} == names


def test_one_id_space(data: Path) -> None:
    found("--data", data, *DET, "--out", "tracks")
    shared = found("--data", data, "--results", "tracks", "--one-id-space")["results"][0]
    assert shared["one_id_space"]["idf1"] == pytest.approx(1)
    (own,) = found("--data", data, *DET, "--one-id-space")["presets"]
    assert own["combined"]["idf1"] == pytest.approx(1)
    assert own["one_id_space"]["idf1"] == pytest.approx(40 / 64)


@pytest.mark.parametrize("style", ["MOT15", "MOT17", "MOT20"])
def test_results_score_as_in_trackeval(models: object, tmp_path: Path, style: str) -> None:
    names = [f"{style}-01", f"{style}-02"]
    write_benchmark(tmp_path, style, names, n_frames=30)
    for name in names:
        (tmp_path / "gt" / name / "img1").mkdir()
        for frame in range(1, 31):
            (tmp_path / "gt" / name / "img1" / f"{frame:06}.jpg").touch()
        info = f"[Sequence]\nname={name}\nframeRate=25\nseqLength=30\n"
        (tmp_path / "gt" / name / "seqinfo.ini").write_text(info)
    results = tmp_path / "results"
    (ours,) = found("--data", tmp_path / "gt", "--results", results / "ours/data")["results"]
    theirs = trackeval_of_files(tmp_path / "gt", results, style, dict.fromkeys(names, 30))
    for name, figures in {**ours["sequences"], "combined": ours["combined"]}.items():
        for our_name, (part, their_name) in FIGURES.items():
            expected = theirs[name][part][their_name]
            if part == "hota":
                expected = sum(expected) / len(expected)
            assert figures[our_name] == pytest.approx(expected, abs=1e-6), (name, our_name)


@pytest.mark.parametrize(("kind", "code"), [("1,1", 0), ("-1,-1,-1", 0), ("3,1", 2), ("77,1", 2)])
def test_results_must_be_people_where_there_are_classes(
    models: object, tmp_path: Path, kind: str, code: int
) -> None:
    def line(frame: int, person: int, box: tuple[int, int, int, int]) -> str:
        return f"{frame},{person},{','.join(map(str, box))},1,1,1"

    write_sequence(tmp_path / "data", "MOT17-01", 3, line)
    Path("results").mkdir()
    Path("results/MOT17-01.txt").write_text(f"2,8,9,9,9,9,1,{kind}\n")
    arguments = ["track-eval", "--data", tmp_path / "data", "--results", "results"]
    done = call(*arguments)
    assert done.exit_code == code, done.stderr
    if code:
        assert "results/MOT17-01.txt:" in refused(done)
        assert "class" in done.stderr


def spoil(data: Path, what: str) -> None:
    """Break the sequence `one`, or put something in the way."""
    one = data / "one"
    if what == "no seqinfo":
        (one / "seqinfo.ini").unlink()
    elif what == "no rate":
        (one / "seqinfo.ini").write_text("[Sequence]\nname=one\n")
    elif what == "odd name":
        (one / "seqinfo.ini").write_text("[Sequence]\nname=../up\nframeRate=5\n")
    elif what == "no gt":
        (one / "gt/gt.txt").unlink()
    elif what == "nobody":
        (one / "gt/gt.txt").write_text("1,1,0,0,5,5,0\n")
    elif what == "late gt":
        (one / "gt/gt.txt").write_text("13,1,0,0,5,5,1\n")
    elif what == "bad class":
        (one / "gt/gt.txt").write_text("1,1,0,0,5,5,1,99,1\n")
    elif what == "bad det":
        (one / "det/det.txt").write_text("1,-1,0,0,5,5,1\n2,-1,0,0,x,5,1\n")
    elif what == "late det":
        (one / "det/det.txt").write_text("13,-1,0,0,5,5,1\n")
    elif what == "odd score":
        (one / "det/det.txt").write_text("1,-1,0,0,5,5,1\n2,-1,0,0,5,5,50.5\n")
    elif what == "faint score":
        (one / "det/det.txt").write_text("1,-1,0,0,5,5,-0.25\n")
    elif what == "lost picture":
        (one / "img1/000005.png").unlink()
    elif what == "unpadded":
        for path in sorted((one / "img1").iterdir()):
            path.rename(path.with_stem(str(int(path.stem))))
    elif what == "no pictures":
        for path in (one / "img1").iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("no seqinfo", "one/seqinfo.ini: missing; it tells the frame rate"),
        ("no rate", "one/seqinfo.ini: Sequence.frameRate"),
        ("odd name", "one/seqinfo.ini: Sequence.name: '../up' cannot be the name of a file"),
        ("no gt", "one/gt/gt.txt: no such file"),
        ("nobody", "one/gt/gt.txt: no labelled box"),
        ("late gt", "one/gt/gt.txt: frame 13, but there are 12"),
        ("bad class", "one/gt/gt.txt:1: class '99' is none of MOTChallenge's"),
        ("bad det", "one/det/det.txt:2: width is not a number: 'x'"),
        ("late det", "one/det/det.txt: frame 13, but there are 12"),
        ("odd score", "one/det/det.txt: frame 2: score 50.5; trackers need confidences in 0..1"),
        ("faint score", "one/det/det.txt: frame 1: score -0.25; trackers"),
        ("lost picture", "one/img1/000006.png: comes after 000004.png; numbered pictures"),
        ("unpadded", "one/img1/10.png: comes after 1.png; numbered pictures"),
        ("no pictures", "one/img1: no picture in it"),
    ],
)
def test_broken_sequences_are_refused(data: Path, models: Any, what: str, expected: str) -> None:
    spoil(data, what)
    line = refused(call("track-eval", "--data", data, *DET, "--out", "tracks"))
    assert expected in line
    assert models[1].crops == 0
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data", "gone"], "gone: no such folder"),
        (["--data", "."], ".: no sequence in it"),
        ([], "Missing option '--data'"),
        (["DATA", "--preset", "nosuch"], "tracker.preset: no preset 'nosuch'; there are: "),
        (["DATA", "--preset", "nosuch.yaml"], "no preset 'nosuch.yaml'"),
        (["DATA", "--preset", "crosswalk", "--preset", "crosswalk"], "--preset crosswalk: another"),
        (["DATA", "--set", "magic=1"], "tracker setting 'magic' is unknown"),
        (["DATA", "--set", "births.min_score=high"], "tracker setting births.min_score: 'high'"),
        (["DATA", "--set", "appearance.bank_size=0"], "appearance.bank_size: 0 is out of range"),
        (
            ["DATA", "--preset", "sort", "--set", "stages.confidnet={limit: 0.5}"],
            "--set, preset sort: tracker setting stages.confidnet: there is no such stage",
        ),
        (
            ["DATA", "--set", "births.min_score"],
            "births.min_score: write a changed key",
        ),
        (["DATA", "--detections", "det/none.txt"], "one/det/none.txt: no such file"),
        (["DATA", "--results", "gone"], "gone: no such folder of results"),
        (["DATA", "--results", "empty"], "empty/one.txt: no such file"),
        (["DATA", "--results", "bad"], "bad/one.txt:2: 3 fields, at least 6"),
        (["DATA", "--results", "twice"], "twice/one.txt:2: id 1 is in frame 1 already"),
        (["DATA", "--results", "late"], "late/one.txt: frame 99, but there are 12"),
        (["DATA", "--results", "bad", "--preset", "crosswalk"], "--preset: --results runs no"),
        (["DATA", "--results", "bad", "--out", "x"], "--out: --results runs no tracker"),
        (["DATA", "--results", "bad", "--no-appearance"], "--no-appearance: --results runs no"),
        (["DATA", "--weights", "w", "--no-appearance"], "--weights: --no-appearance uses none"),
        (["DATA", "--out", "full"], "--out full/one.txt: is there already; --overwrite"),
        (["DATA", "--plot", "full"], "--plot full/two.png: is there already"),
        (["DATA", "--render", "bad/one.txt"], "nothing can be written to bad/one.txt"),
    ],
)
def test_wrong_arguments_are_refused(
    data: Path, models: Any, arguments: list[str], expected: str
) -> None:
    texts = {
        "bad/one.txt": "1,1,0,0,5,5\n1,2,0\n",
        "twice/one.txt": "1,1,0,0,5,5\n1,1,9,9,5,5\n",
        "late/one.txt": "99,1,0,0,5,5\n",
        "full/one.txt": "keep me",
        "full/two.png": "keep me",
        "empty/other.txt": "",
    }
    for name, text in texts.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    words = ["--data", str(data), *arguments[1:]] if arguments[:1] == ["DATA"] else arguments
    assert expected in refused(call("track-eval", *words))
    assert models[1].crops == 0
    assert {str(p): p.read_text() for p in Path().rglob("*.*")} == texts


def test_weights_that_are_missing(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    line = refused(call("track-eval", "--data", data, *DET, "--weights", "gone.safetensors"))
    assert "gone.safetensors" in line


def test_files_are_replaced_when_asked(data: Path) -> None:
    arguments = ["--data", data / "one", *DET, "--out", "out", "--plot", "out"]
    found(*arguments)
    Path("out/one.txt").write_text("old")
    assert "out/one.txt: is there already" in refused(call("track-eval", *arguments))
    found(*arguments, "--overwrite")
    assert Path("out/one.txt").read_text().startswith("1,1,")


def test_a_real_sequence(shared_dir: Path, models: Any) -> None:
    data = shared_dir / "data/mot/TUD-Campus"
    (run,) = found("--data", data, "--detections", "det/yolo11n_int8.txt", "--no-appearance")[
        "presets"
    ]
    assert list(run["sequences"]) == ["TUD-Campus"]
    assert 0.4 < run["combined"]["hota"] < 0.9
    assert 0.5 < run["combined"]["idf1"] < 0.95
    assert run["combined"]["hota"] == pytest.approx(run["mean"]["hota"])
