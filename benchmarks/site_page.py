"""The page that benchmarks/reid_sites.py writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.about import About
from benchmarks.page import table
from benchmarks.site_crops import CutRules
from benchmarks.site_scores import MATCH_RATES, OF_PRODUCT, SEARCH_RATES, Scores

TITLE = "# Embedders on footage"
DASH = "–"
NOT_MEASURED = (
    "Not measured: other sites than this one; part vectors and re-ranking; boxes of the "
    "product's own detector and tracklets of its own tracker, whose mistakes the labels do not "
    "have; what the differences are worth in cross-camera IDF1 (docs/NUMBERS.md has the shipped "
    "weights'); frames after the last labelled one."
)
Row = Mapping[str, Any]


def markdown(about: About, result: Row, rules: CutRules) -> str:
    """The whole section; `result` is as benchmarks/reid_sites.py prints it with `--json`."""
    site, rows = result["site"], result["embedders"]
    parts = [
        f"## Crops of labelled people ({site['name']})",
        about.markdown(),
        _what_was_cut(site, rules),
        "### Both worlds" if any(row["market"] for row in rows) else "### As the product uses them",
        summary_table(rows),
        _summary_notes(rows),
        "### Tracklet against tracklets of the other cameras",
        scores_table(rows, "tracklet"),
        "### Single picture against pictures of the other cameras",
        scores_table(rows, "image"),
        _notes(rows),
        NOT_MEASURED,
    ]
    return "\n\n".join(parts)


def summary_table(rows: Sequence[Row]) -> str:
    """One row per embedder: Market-1501 where it was scored, and tracklets of the site."""
    market = any(row["market"] for row in rows)
    columns = ["embedder", "weights", "features on the site"]
    columns += [">Market-1501 rank-1", ">mAP"] if market else []
    columns += [">site rank-1", ">site mAP", ">site FNMR at FMR 1 %"]
    columns += [">mean of both rank-1", ">mean of both mAP"] if market else []
    return table(columns, [_summary_row(row, market) for row in rows])


def scores_table(rows: Sequence[Row], unit: str) -> str:
    """One row per embedder and kind of features."""
    columns = ["embedder", "features", ">rank-1", ">mAP"]
    columns += [f">FNMR at FMR {_rate(rate)}" for rate in MATCH_RATES]
    columns += [f">TPIR at FPIR {_rate(rate)}" for rate in SEARCH_RATES]
    return table(
        columns,
        [
            (row["name"], variant, *_cells(units[unit]))
            for row in rows
            for variant, units in row["variants"].items()
        ],
    )


def _summary_row(row: Row, market: bool) -> tuple[str, ...]:
    scores = row["variants"][OF_PRODUCT]["tracklet"]
    error = scores["standard_error"]
    cells = [row["name"], row["fingerprint"], OF_PRODUCT]
    known = row["market"]
    if market:
        cells += [f"{known[key]:.2f}" if known else DASH for key in ("rank1", "mAP")]
    cells += [f"{scores[key]:.1f} ± {error[key]:.1f}" for key in ("rank1", "mAP")]
    cells += [f"{scores['fnmr']['0.01']:.1f} ± {error['fnmr']:.1f}"]
    if market:
        cells += [
            f"{(known[key] + scores[key]) / 2:.1f}" if known else DASH for key in ("rank1", "mAP")
        ]
    return tuple(cells)


def _cells(scores: Scores) -> list[str]:
    return [
        f"{scores['rank1']:.1f}",
        f"{scores['mAP']:.1f}",
        *(f"{scores['fnmr'][f'{rate:g}']:.1f}" for rate in MATCH_RATES),
        *(f"{scores['tpir'][f'{rate:g}']:.1f}" for rate in SEARCH_RATES),
    ]


def _rate(rate: float) -> str:
    return f"{100 * rate:g} %"


def _what_was_cut(site: Row, rules: CutRules) -> str:
    cameras = ", ".join(f"{name} {count}" for name, count in site["tracklets"].items())
    return (
        f"{site['people']} people, {sum(site['tracklets'].values())} tracklets ({cameras}) and "
        f"{site['crops']} crops of {site['height_px'][0]} to {site['height_px'][2]} pixels height "
        f"(median {site['height_px'][1]}), frames 1 to {site['last_frame']}. A tracklet is a run "
        f"of one labelled person in one camera without a gap of over {rules.gap_s:g} s. Left out "
        f"are boxes of which more than {rules.in_ignored:g} lies in an ignore box or more than "
        f"{rules.in_other:g} in another labelled box, whoever stands in front; of the others up "
        f"to {rules.most} per tracklet are cut, nearest to the middles of equal spans of time. "
        "Boxes at the picture's edge, far away, blurred and dark stay in."
    )


def _summary_notes(rows: Sequence[Row]) -> str:
    said = (
        "Tracklets, features as the product would use them. ± is a standard error over the choice "
        "of people (jackknife). All rows have the same people, so that a difference between rows "
        "is usually surer than it says; with so few people it is rough itself, and 0 where no "
        "single person changes anything is no certainty."
    )
    if any(row["market"] for row in rows):
        said += (
            " Market-1501: single query, standard protocol, plain features (site adaptation is "
            "not used there). The means are of its columns and the site's."
        )
    return said


def _notes(rows: Sequence[Row]) -> str:
    any_scores = next(iter(rows[0]["variants"].values()))
    tracklet, image = any_scores["tracklet"], any_scores["image"]
    lines = [
        "All in percent. Rank-1 and mAP: every tracklet, or picture, whose person is in another "
        f"camera ({tracklet['queries']} and {image['queries']}) is searched for among those of "
        "the other cameras. A tracklet's vector is the mean of its crops' vectors of length 1.",
        "FNMR, the share of pairs of one person that are not matched, is taken where the given "
        "share of pairs of two people is matched (FMR; ISO/IEC 19795-1), over all pairs across "
        f"cameras: {tracklet['mated']} of one person and {tracklet['non_mated']} of two for "
        f"tracklets, {image['mated']} and {image['non_mated']} for pictures. TPIR is the share of "
        "searches that return the right person first and nearer than a threshold at which the "
        "given share of searches for somebody who is not there (the same gallery without the "
        "person) returns anybody.",
        "plain: vectors as they are. site space: camera means and within-tracklet variation taken "
        "out (`pipeline/association/adaptation.py`). batch statistics: measured anew on these "
        "crops (`reid/site_adaptation.py`), with weights of ours only. both: one after the other. "
        "None uses who is who, but site space knows which crops are one tracklet, here from the "
        "labels and without a tracker's mistakes, and both are fitted to the very crops that are "
        "scored.",
    ]
    return "\n".join(f"- {line}" for line in lines)
