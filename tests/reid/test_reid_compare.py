"""The comparison of systems: its table, its results file, its command and what it refuses."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from reid_builders import market_folder, tiny_config, tiny_weights
from typer.testing import CliRunner, Result

from reid import inference
from reid.cli import app
from reid.compare import COLUMNS, DASH, Row, cells, markdown, named_files, notes, read_systems
from reid.cost import Cost, system_cost
from reid.errors import ReidError
from reid.results import (
    RESULTS,
    plain_result,
    read_evaluation,
    read_results,
    result_of,
    shown_path,
    with_result,
    write_results,
)
from reid.results import Result as Record
from reid.weights_file import load_weights

COST = Cost((64, 32), 1_234_567, 0.4567, 2.345, "openvino", 2)
SCORES = {"rank1": 84.291, "rank5": 93.0, "rank10": 96.0, "mAP": 64.3, "mINP": 27.58}


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["compare", *(str(word) for word in words)])


def record(**changes: Any) -> Record:
    given = {
        "system": "tiny",
        "fingerprint": "abc",
        "weights": "a.safetensors",
        "data": "market1501",
        "distance": "global",
        **SCORES,
        "queries": 3368,
        "input_hw": (64, 32),
        "machine": "a machine",
        "commit": "1234567",
        "command": "python main.py reid evaluate",
        "seed": 0,
    }
    return Record.model_validate(given | changes)


@pytest.fixture(autouse=True)
def in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO takes seconds to convert even a tiny network."""
    monkeypatch.setattr(inference, "Embedder", partial(inference.Embedder, runtime="torch"))


def system_yaml(folder: Path, name: str = "tiny", **changes: Any) -> Path:
    content = tiny_config().model_dump(mode="json") | {"name": name} | changes
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return system_yaml(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "a.safetensors")


@pytest.fixture(scope="module")
def evaluation(
    tmp_path_factory: pytest.TempPathFactory, weights: Path
) -> tuple[Path, dict[str, Any]]:
    """What evaluating the tiny weights printed, and its data set."""
    folder = tmp_path_factory.mktemp("data")
    data = market_folder(folder / "M", 3)
    words = ["evaluate", "--data", f"market1501={data}", "--weights", str(weights), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "Embedder", partial(inference.Embedder, runtime="torch"))
        done = CliRunner().invoke(app, [*words, "--threads", "1"])
    assert done.exit_code == 0, done.stderr
    return data, json.loads(done.stdout)


def test_cells_and_markdown() -> None:
    rows = [Row("a", COST, SCORES), Row("b", Cost((64, 32), 5_000_000, 12.0))]
    scores = ("84.29", "93.00", "96.00", "64.30", "27.58")
    assert cells(rows) == [
        ("a", *scores, "1.23", "0.46", "2.35"),
        ("b", *[DASH] * 5, "5.00", "12.00", DASH),
    ]
    lines = markdown(rows).splitlines()
    assert lines[0] == f"| {' | '.join(COLUMNS)} |"
    assert lines[2] == "| a | 84.29 | 93.00 | 96.00 | 64.30 | 27.58 | 1.23 | 0.46 | 2.35 |"
    assert len({line.count("|") for line in lines}) == 1


def test_notes_say_what_is_missing() -> None:
    in_torch = Cost((64, 32), 1, 1.0, 2.0, "torch", 1)
    said = " ".join(notes([Row("a", COST, SCORES), Row("b", in_torch)], "mars", 2))
    for words in ("Scores on mars", "not yet trained (b)", "body joints: b", "2 threads"):
        assert words in said
    quiet = " ".join(notes([Row("a", Cost((64, 32), 1, 1.0), SCORES)], "mars", 0))
    for words in ("not yet trained", "ms/crop", "joints"):
        assert words not in quiet


def test_results_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "zoo.json"
    assert read_results(path) == ()
    results = (record(), record(distance="aligned", rerank="k-reciprocal", occlude=0.5))
    write_results(path, results)
    assert read_results(path) == results
    assert [child.name for child in path.parent.iterdir()] == ["zoo.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "Invalid JSON"),
        ("{}", "valid array"),
        ('[{"system": 3}]', "0.system"),
        ([{"rank1": 101.0}], "0.rank1"),
        ([{"colour": "red"}], "0.colour"),
    ],
)
def test_a_wrong_results_file_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "zoo.json"
    if isinstance(content, list):
        content = json.dumps([record().model_dump(mode="json") | row for row in content])
    path.write_text(content)
    with pytest.raises(ReidError, match=re.escape(message)) as error:
        read_results(path)
    assert str(path) in str(error.value)


def test_the_same_measurement_replaces_the_older_one() -> None:
    older, aligned = record(rank1=50.0), record(distance="aligned")
    newer = record(rank1=60.0)
    assert with_result((older, aligned), newer) == (aligned, newer)
    other = record(fingerprint="def")
    assert with_result((older,), other) == (older, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"distance": "aligned"},
        {"rerank": "k-reciprocal"},
        {"occlude": 0.5},
        {"system": "other"},
        {"data": "mars"},
    ],
)
def test_only_plain_results_of_the_system_are_taken(changes: dict[str, Any]) -> None:
    results = (record(rank1=1.0), record(rank1=2.0, fingerprint="def"), record(**changes))
    found = plain_result(results, "tiny", "market1501")
    assert found is not None
    assert found.rank1 == 2.0  # the latest
    found = plain_result(results, "tiny", "market1501", "abc")
    assert found is not None
    assert found.rank1 == 1.0
    assert plain_result(results, "tiny", "market1501", "none") is None


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ({}, (None, None)),
        ({"rerank": None, "occlude": None}, (None, None)),
        ({"rerank": None, "occlude": 0.0, "seed": 0}, (None, None)),
        ({"rerank": "k-reciprocal", "occlude": 0.5}, ("k-reciprocal", 0.5)),
    ],
)
def test_result_of_an_evaluation(printed: dict[str, Any], expected: tuple[Any, Any]) -> None:
    evaluated = {
        "data": "market1501=/secret/place",
        "weights": "/secret/place/w.safetensors",
        "fingerprint": "abc",
        "distance": "aligned",
        "seconds": 3.0,
        "queries": 7,
        **SCORES,
    }
    about = {"system": "tiny", "input_hw": (64, 32), "machine": "m", "commit": "c", "seed": 4}
    found = result_of(evaluated | printed, Path("r.json"), **about)
    assert (found.rerank, found.occlude) == expected
    assert (found.data, found.weights, found.rank1, found.seed) == (
        "market1501",
        "w.safetensors",
        84.291,
        4,
    )
    assert "secret" not in found.model_dump_json()
    assert "--distance aligned" in found.command
    assert ("--rerank k-reciprocal" in found.command) is (expected[0] is not None)
    with pytest.raises(ReidError, match=r"r\.json: rank1: "):
        result_of(evaluated | {"rank1": 101}, Path("r.json"), **about)


def test_shown_path_stays_inside_the_repository() -> None:
    assert shown_path(RESULTS) == "docs/model_zoo.json"
    assert shown_path(Path("/elsewhere/a.safetensors")) == "a.safetensors"


@pytest.mark.parametrize(
    ("content", "message"),
    [("[]", "one object is expected"), ("{", "not JSON"), ("{}", "data: missing")],
)
def test_what_is_no_evaluation(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(ReidError, match=message):
        read_evaluation(path)


def test_named_files_and_systems(tmp_path: Path) -> None:
    assert named_files(["a=b=c"], "--weights", ["a"]) == {"a": Path("b=c")}
    for words in (["a"], ["a="], ["z=b"], ["a=b", "a=c"]):
        with pytest.raises(ReidError, match="--weights"):
            named_files(words, "--weights", ["a"])
    first = system_yaml(tmp_path)
    second = tmp_path / "copy.yaml"
    second.write_text(first.read_text())
    with pytest.raises(ReidError, match=r"copy\.yaml: name: another of the files is called tiny"):
        read_systems([first, second])


def test_compare_prints_one_object(tmp_path: Path, config: Path) -> None:
    other = system_yaml(tmp_path, "wide", input_hw=[128, 64])
    results = tmp_path / "zoo.json"
    write_results(results, [record()])
    done = call(config, other, "--results", results, "--no-timing", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["data"] == "market1501"
    tiny, wide = said["systems"]
    assert (tiny["system"], tiny["rank1"], tiny["fingerprint"]) == ("tiny", 84.291, "abc")
    assert (wide["system"], wide["rank1"], wide["fingerprint"]) == ("wide", None, None)
    cost = system_cost(tiny_config(), timing=False)
    assert (tiny["parameters"], tiny["gflops"]) == (cost.parameters, cost.gflops)
    assert tiny["ms_per_crop"] is None
    assert wide["gflops"] > 3 * tiny["gflops"]


@pytest.mark.parametrize("words", [(), ("--markdown",)])
def test_compare_for_people(tmp_path: Path, config: Path, words: tuple[str, ...]) -> None:
    done = call(config, "--results", tmp_path / "none.json", "--no-timing", *words)
    assert done.exit_code == 0, done.stderr
    assert "tiny" in done.stdout
    assert "not yet trained (tiny)" in done.stdout
    assert "multiply-adds" in done.stdout
    assert ("| --- |" in done.stdout) is bool(words)


def test_weights_without_a_result_of_theirs(tmp_path: Path, config: Path, weights: Path) -> None:
    results = tmp_path / "zoo.json"
    write_results(results, [record(fingerprint="of another file")])
    words = (config, "--weights", f"tiny={weights}", "--results", results, "--no-timing")
    said = json.loads(call(*words, "--json").stdout)["systems"][0]
    assert said["rank1"] is None
    assert said["fingerprint"] == load_weights(weights)[2]


def test_weights_are_evaluated_on_data(
    tmp_path: Path, config: Path, weights: Path, evaluation: tuple[Path, dict[str, Any]]
) -> None:
    data, printed = evaluation
    words = ("--weights", f"tiny={weights}", "--data", f"market1501={data}", "--threads", 1)
    done = call(config, *words, "--results", tmp_path / "n.json", "--no-timing", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)["systems"][0]
    for name in ("rank1", "mAP", "mINP", "fingerprint"):
        assert said[name] == pytest.approx(printed[name])


def test_an_evaluation_is_added(
    tmp_path: Path, config: Path, evaluation: tuple[Path, dict[str, Any]]
) -> None:
    _, printed = evaluation
    file, results = tmp_path / "r.json", tmp_path / "zoo.json"
    file.write_text(json.dumps(printed))
    words = (config, "--results", results, "--add-result", f"tiny={file}", "--no-timing", "--json")
    for _ in range(2):
        done = call(*words, "--seed", 7, "--note", "half the epochs")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["systems"][0]["mAP"] == pytest.approx(printed["mAP"])
    (found,) = read_results(results)
    assert (found.seed, found.note, found.input_hw) == (7, "half the epochs", (64, 32))
    assert found.queries == printed["queries"]
    assert found.machine
    assert found.commit
    assert str(tmp_path) not in results.read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "0"}, "r.json: fingerprint:"),
        ({"weights": "gone.safetensors"}, "gone.safetensors: no such weight file"),
        ({"rank1": None}, "r.json: rank1:"),
    ],
)
def test_an_evaluation_that_does_not_fit(
    tmp_path: Path,
    config: Path,
    evaluation: tuple[Path, dict[str, Any]],
    changes: dict[str, Any],
    message: str,
) -> None:
    file, results = tmp_path / "r.json", tmp_path / "zoo.json"
    file.write_text(json.dumps(evaluation[1] | changes))
    done = call(config, "--results", results, "--add-result", f"tiny={file}", "--no-timing")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not results.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.yaml",), "none.yaml: No such file"),
        (("--weights", "x=a.safetensors"), "no system 'x' is given; tiny are"),
        (("--weights", "tiny"), "--weights tiny: write it as NAME=FILE"),
        (("--weights", "tiny=a.safetensors"), "a.safetensors: no such weight file"),
        (("--data", "market1501=x"), "needs --weights"),
        (("--add-result", "tiny=none.json"), "none.json: No such file"),
        (("--note", "x"), "--add-result, which is not given"),
        (("--results", __file__), "test_reid_compare.py: Invalid JSON"),
    ],
)
def test_compare_refuses(config: Path, words: tuple[str, ...], message: str) -> None:
    done = call(config, "--no-timing", *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_weights_of_another_network(tmp_path: Path, weights: Path) -> None:
    model = tiny_config().model_dump(mode="json")["model"]
    model["head"]["part_dim"] = 4
    config = system_yaml(tmp_path, model=model)
    done = call(config, "--weights", f"tiny={weights}", "--no-timing")
    assert done.exit_code == 2
    assert "of another architecture than tiny" in done.stderr


def test_a_system_without_a_network(tmp_path: Path, weights: Path) -> None:
    lomo = tmp_path / "lomo.yaml"
    lomo.write_text(yaml.safe_dump({"name": "lomo", "classical": {"name": "lomo_xqda"}}))
    results = tmp_path / "zoo.json"
    write_results(results, [record(system="lomo", input_hw=None, runtime="numpy")])
    done = call(lomo, "--results", results, "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)["systems"][0]
    assert said["mAP"] == 64.3
    assert said["parameters"] is None
    assert said["gflops"] is None
    assert said["ms_per_crop"] is None
    assert (
        f"| 27.58 | {DASH} | {DASH} | {DASH} |"
        in call(lomo, "--results", results, "--markdown").stdout
    )
    done = call(lomo, "--weights", f"lomo={weights}")
    assert done.exit_code == 2
    assert "of another architecture than lomo" in done.stderr
