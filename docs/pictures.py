"""Make the pictures of the README from the sample release: `make pictures`.

Needs Chromium at /usr/bin/chromium (Debian's package `chromium`).
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.alert_receiver import receiving
from tests.end_to_end.browser import browsing
from tests.end_to_end.ui import Ui, serving

DOCS = Path(__file__).resolve().parent
GROUPS = ("ingest",)
MARGIN_PX = 12
SETTLED_MILLISECONDS = 5000  # the UI lays out and draws by degrees


def main() -> None:
    """Materialize the sample in a folder of its own, from the UI, and photograph the result."""
    with tempfile.TemporaryDirectory(prefix="laion-") as folder:
        place = Path(folder)
        with (
            receiving() as receiver,
            serving(
                place, "sample", automation="on", alert_url=receiver.address, explore="true"
            ) as ui,
            browsing() as page,
        ):
            if ui.end_of(ui.materialize_all()) != "SUCCESS":
                raise SystemExit((place / "ui.log").read_text("utf-8"))
            _photograph_graph(page, ui)
            _photograph_check(page, ui)
            _photograph_automation(page, ui)
            _photograph_search(page, f"{ui.address}/explore")
            _photograph_report(page, place / "data" / "sample" / "report.html")
        chart = "aesthetic_distribution.png"
        shutil.copyfile(place / "data" / "sample" / "charts" / chart, DOCS / chart)


def _photograph_graph(page: Page, ui: Ui) -> None:
    page.set_viewport_size({"width": 2000, "height": 1650})
    expanded = ",".join(f"global%40global%3A{group}" for group in GROUPS)
    page.goto(f"{ui.address}/asset-groups?expanded={expanded}")
    page.get_by_text("report").first.wait_for()
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    # Without menus and margins: what is drawn, as far as there are boxes.
    left, top, right, bottom = page.evaluate(
        """() => {
            const boxes = [...document.querySelectorAll("foreignObject")]
                .map(each => each.getBoundingClientRect()).filter(box => box.width > 0);
            return [Math.min(...boxes.map(b => b.left)), Math.min(...boxes.map(b => b.top)),
                    Math.max(...boxes.map(b => b.right)), Math.max(...boxes.map(b => b.bottom))];
        }"""
    )
    page.screenshot(
        path=DOCS / "asset-graph.png",
        clip={
            "x": left - MARGIN_PX, "y": top - MARGIN_PX,
            "width": right - left + 2 * MARGIN_PX, "height": bottom - top + 2 * MARGIN_PX,
        },
    )  # fmt: skip


def _photograph_check(page: Page, ui: Ui) -> None:
    page.set_viewport_size({"width": 1400, "height": 1250})
    page.goto(f"{ui.address}/assets/pairs?view=checks&checkDetail=url_http")
    page.get_by_text("what_to_do").first.wait_for()
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    page.screenshot(path=DOCS / "check.png")


def _photograph_automation(page: Page, ui: Ui) -> None:
    page.set_viewport_size({"width": 1400, "height": 800})
    page.goto(f"{ui.address}/automation")
    page.get_by_text("weekly_refresh").first.wait_for()
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    page.screenshot(
        path=DOCS / "automation.png",
        clip={"x": 240, "y": 0, "width": 1160, "height": 416},  # without the menu
    )


def _photograph_search(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 1100})
    page.goto(f"{address}?words=bay&aesthetic_from=7.2&order=highest+aesthetic")
    page.screenshot(path=DOCS / "explore.png")


def _photograph_report(page: Page, report: Path) -> None:
    """The beginning of the report, down to its first chart, as a screen and a phone show it."""
    for width, height in ((1400, 2100), (390, 1500)):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.goto(report.as_uri())
            page.screenshot(path=DOCS / f"report-{width}-{scheme}.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1400, "height": 1000})
    page.goto(f"{report.as_uri()}#extremes")
    page.screenshot(path=DOCS / "gallery.png")


if __name__ == "__main__":
    main()
