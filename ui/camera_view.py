"""What the cameras tab shows."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import CameraRow
from ui.html import count_of, empty, esc
from ui.times import local


def cameras_view(cameras: Sequence[CameraRow]) -> str:
    """Return a table of cameras with first and last sighting in local time, and counts."""
    if not cameras:
        return empty("No camera yet. Run `python main.py --sources cams.yaml` first.")
    rows = "".join(_row(camera) for camera in cameras)
    sightings = sum(camera.tracklet_count for camera in cameras)
    counted = f"{count_of(len(cameras), 'camera')}, {count_of(sightings, 'sighting')}"
    return (
        '<div class="cw-heading"><h2>Cameras</h2>'
        f"<span>{counted}</span></div>"
        '<table class="cw-table"><thead><tr><th>Camera</th><th>First seen</th><th>Last seen</th>'
        '<th>Time zone</th><th class="cw-number">Sightings</th><th class="cw-number">People</th>'
        f"<th>Source</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(camera: CameraRow) -> str:
    name = f"<b>{esc(camera.name)}</b>"
    if camera.name != camera.id:
        name += f" <small>{esc(camera.id)}</small>"
    cells = (local(camera.first_s, camera.timezone), local(camera.last_s, camera.timezone))
    times = "".join(f'<td class="cw-digits">{esc(cell)}</td>' for cell in cells)
    return (
        f"<tr><td>{name}</td>{times}<td>{esc(camera.timezone)}</td>"
        f'<td class="cw-number">{camera.tracklet_count}</td>'
        f'<td class="cw-number">{camera.identity_count}</td>'
        f'<td class="cw-source" title="{esc(camera.source)}">{esc(camera.source)}</td></tr>'
    )
