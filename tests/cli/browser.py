"""The page of `limbeck demo` in headless Chromium; as a program, a picture of it.

limbeck demo MODEL --against OTHER &
python -m tests.cli.browser http://127.0.0.1:7860 'There is a pen next to the folder.' docs/images/demo.png
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PATIENCE = 60
"""Seconds until what a page should show is missed."""


@contextmanager
def chromium() -> Iterator[Chrome]:
    """Headless Chromium, whose driver is named, so that Selenium looks for none elsewhere; skips where it is absent."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install 'limbeck[browser]'")
    binary, program = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or program is None:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1100,1300"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver: Chrome = webdriver.Chrome(options, webdriver.ChromeService(program))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The page as a visitor has it before them."""

    def __init__(self, driver: Chrome, address: str) -> None:
        self.driver = driver
        driver.get(address)

    def until(self, found: Callable[[Chrome], Any]) -> Any:
        """Wait for something, and give it."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        passing = (NoSuchElementException, StaleElementReferenceException)
        return WebDriverWait(self.driver, PATIENCE, ignored_exceptions=passing).until(found)

    def find(self, selector: str) -> Any:
        """The first element, once it is there."""
        return self.until(lambda driver: driver.find_element("css selector", selector))

    def wait(self, selector: str, text: str) -> None:
        """Wait until an element says something."""
        self.until(lambda driver: text in driver.find_element("css selector", selector).text)

    def texts(self, selector: str) -> list[str]:
        """What all elements say."""
        return [element.text for element in self.driver.find_elements("css selector", selector)]

    def translate(self, caption: str) -> None:
        """Type a caption over what is there and press the button."""
        field = self.find("#caption textarea")
        field.clear()
        field.send_keys(caption)
        self.find("#translate").click()


def picture(address: str, caption: str, out: str) -> None:
    """Save the page with a caption's translation."""
    with chromium() as driver:
        page = Page(driver, address)
        page.translate(caption)
        page.find("#alternatives td")
        driver.set_window_size(1100, driver.execute_script("return document.body.scrollHeight") + 150)
        driver.save_screenshot(out)


if __name__ == "__main__":
    picture(*sys.argv[1:])
