"""make pictures: page one of the report and the board, from the sample data, as they look in a browser."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from pipeline.run import Settings, run

PROJECT = Path(__file__).resolve().parent.parent
QUIET_BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PAGES = ("report", "testimonials")


def main():
    browser_path = shutil.which("chromium")
    if not browser_path:
        sys.exit("chromium is needed for the pictures: sudo apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        out = Path(folder) / "out"
        run(
            Settings(
                (PROJECT / "data" / "raw",),
                out,
                PROJECT / "models" / "default",
                consents=PROJECT / "data" / "consents.csv",
                staff=PROJECT / "data" / "staff.csv",
                changes=PROJECT / "data" / "changes.csv",
                closed=PROJECT / "data" / "closed.csv",
            )
        )
        browser = play.chromium.launch(executable_path=browser_path, args=QUIET_BROWSER)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        for name in PAGES:
            page.goto((out / "report" / f"{name}.html").as_uri())
            page.screenshot(path=PROJECT / "docs" / f"{name}.png")
            print(PROJECT / "docs" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
