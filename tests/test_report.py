# SPDX-License-Identifier: Apache-2.0
"""trit report: what it shows of each source, what it refuses, and in a browser what one sees and can do."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

Run = Callable[..., tuple[int, str, str]]
LIMIT = 3 << 20
FIGURES = Path(__file__).with_name("report_figures.png")
OUTPUTS = {
    "profile": "profile fashion.onnx --target host,nrf52840 --accuracy 4",
    "chips": "profile fashion.onnx --target rram-2t2r-130nm --monte-carlo 3 --accuracy 4",
    "verify": "verify fashion.onnx --images 2 --only scalar",
    "confusion": "confusion fashion.onnx",
    "supply": "target sweep --over supply=0.8:1.2:3 --model fashion.onnx --images 8 --chips 2",
}
NAMES = """return [...document.querySelectorAll('button, input, select, summary')].filter((e) => e.offsetParent)
    .map((e) => e.innerText || e.ariaLabel || e.title || (e.labels?.[0]?.innerText ?? ''))"""
EPOCHS = [{"epoch": n, "loss": 1 / n, "test_accuracy": 1 - 0.5 / n, "seconds": 2.0 * n} for n in (1, 2, 3)]
TASKS = [
    {"task": "one", "loss": [1.0, 0.5], "seconds": 3.0, "accuracy": {"one": 0.9}},
    {"task": "two", "loss": [1.0, 0.6], "seconds": 6.0, "accuracy": {"one": 0.8, "two": 0.9}},
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def trit(folder: Path, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "trit", *words], cwd=folder, capture_output=True, check=True
    ).stdout.decode()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one source of each kind."""
    folder = tmp_path_factory.mktemp("report")
    trit(folder, "zoo", "fashion-ternary-cnn", "-o", "fashion.onnx")
    for name, command in OUTPUTS.items():
        (folder / f"{name}.json").write_text(trit(folder, *command.split(), "--json"))
    for name, rows in (("epochs", EPOCHS), ("tasks", TASKS)):
        (folder / name).mkdir()
        (folder / name / "history.jsonl").write_text(lines(rows))
    return folder


@pytest.fixture(scope="module")
def page(sources: Path) -> Path:
    names = ["fashion.onnx", "epochs", "tasks", *(f"{name}.json" for name in OUTPUTS)]
    trit(sources, "report", *names, "-o", "report.html", "--title", "A <b>title</b>")
    return sources / "report.html"


def test_a_page_stands_alone_and_holds_the_figures(page: Path, sources: Path) -> None:
    text = page.read_text()
    assert len(text.encode()) <= LIMIT
    assert "A &lt;b&gt;title&lt;/b&gt;" in text and "<b>title" not in text
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text.split("<script>")[0])
    profile = json.loads((sources / "profile.json").read_text())["profiles"][1]
    chips = json.loads((sources / "chips.json").read_text())["profiles"][0]
    assert f"{profile['flash']:,} bytes" in text
    assert f"{chips['accuracy']['mean']:.2%} ± {chips['accuracy']['std']:.2%}" in text
    specs = [json.loads(spec) for spec in re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)]
    layers = next(
        spec for spec in specs if "layer" in spec["data"]["values"][0] and "quantity" in spec["data"]["values"][0]
    )
    cost = {
        (row["target"], row["layer"]): row["value"]
        for row in layers["data"]["values"]
        if row["quantity"] == "energy (J)"
    }
    assert sum(value for (target, _), value in cost.items() if target == "nrf52840") == pytest.approx(profile["energy"])
    assert {target for target, _ in cost} == {"host", "nrf52840", "rram-2t2r-130nm"}  # of both files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.json", None, "cannot read gone.json"),
        ("text.json", "text", "neither a folder of trit train, a model, nor JSON"),
        ("deep.json", "[" * 100_000, "neither a folder of trit train, a model, nor JSON"),
        ("list.json", "[]", 'there is no "schema": 1'),
        ("other.json", '{"schema": 1, "rows": []}', "not what trit profile, verify"),
        ("profile.json", '{"schema": 1, "profiles": []}', "profile.json: model: Field required"),
        ("confusion.json", '{"schema": 1, "rows": [{"counts": "x"}]}', "Field required"),
        ("empty/", None, "it has no history.jsonl"),
        ("run/history.jsonl", "{", "line 1 is not JSON"),
        ("run/history.jsonl", '{"epoch": 1}', "loss: Field required"),
        ("run/history.jsonl", '{"epoch": 1, "loss": NaN, "seconds": 1}', "loss: Input should be a finite number"),
        ("run/history.jsonl", "", "no epoch has ended yet"),
    ],
)
def test_what_no_report_shows_is_one_line(
    run: Run, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    (path if name.endswith("/") else path.parent).mkdir(exist_ok=True)
    if content is not None:
        path.write_text(content)
    source = name.removesuffix("/") if content is None or "/" not in name else str(path.parent)
    status, _, error = run("report", source, "-o", "page.html")
    assert status == 2 and message in error and error.count("\n") == 1, error
    assert not (tmp_path / "page.html").exists()


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Any]:
    """Headless Chromium with the page in it."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        "--force-prefers-reduced-motion",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.get(page.as_uri())
    wait(chrome, "window.ready")
    yield chrome
    chrome.quit()


def wait(chrome: Any, promise: str) -> None:
    script = f"const done = arguments[0]; {promise}.then(() => done(''), (error) => done(String(error)))"
    assert chrome.execute_async_script(script) == ""


def texts(chrome: Any, selector: str) -> list[str]:
    return [element.text for element in chrome.find_elements("css selector", selector)]


def click(chrome: Any, element: Any) -> None:
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def bars(chrome: Any) -> list[str]:
    """What the bars of the layers say to a screen reader."""
    marks = chrome.find_elements("css selector", "#part3 .mark-rect path")
    return [mark.get_attribute("aria-label") for mark in marks]


def test_every_picture_is_drawn_and_nothing_complains(browser: Any) -> None:
    figures = browser.find_elements("css selector", "figure")
    assert len(figures) == 12
    for figure in figures:
        title = figure.find_element("css selector", "figcaption b").text
        drawing = figure.find_element("css selector", "svg")
        assert drawing.size["width"] > 400 and drawing.size["height"] > 100, title
        marks = figure.find_elements("css selector", "svg .mark-rect path, svg .mark-line path, svg .mark-symbol path")
        assert any(mark.size["width"] > 2 or mark.size["height"] > 2 for mark in marks), title
    wide = browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    assert browser.get_log("browser") == []


def test_layers_switch_between_targets_and_quantities(browser: Any) -> None:
    before = bars(browser)
    assert len(before) == 9 and all("quantity: time (s)" in label for label in before)
    quantity, target = (
        browser.find_element("css selector", f"#part3 select[name={name}]") for name in ("quantity", "target")
    )
    quantity.send_keys("instructions")
    assert texts(browser, "#part3 .mark-text text").count("not counted") == 9
    target.send_keys("nrf52840")
    counted = bars(browser)
    assert len(counted) == 9 and all("quantity: instructions" in label for label in counted)
    quantity.send_keys("energy")
    assert bars(browser) != counted and len(bars(browser)) == 9
    click(browser, browser.find_element("id", "theme"))
    wait(browser, "window.ready")
    assert all("quantity: energy (J)" in label for label in bars(browser))  # kept
    assert browser.get_log("browser") == []


def test_tables_sort_and_filter(browser: Any) -> None:
    names = "#part2 tbody tr:not([hidden]) th"
    latency = next(
        each for each in browser.find_elements("css selector", "#part2 thead button") if each.text == "latency"
    )
    click(browser, latency)
    fastest = texts(browser, names)
    latency.send_keys(" ")  # by the keyboard
    assert fastest[0] == "host" and texts(browser, names) == fastest[::-1]
    header = latency.find_element("xpath", "..")
    assert header.get_attribute("aria-sort") == "descending"
    field = browser.find_element("css selector", "#part2 .filter")
    field.send_keys("NRF")
    assert texts(browser, names) == ["nrf52840"]
    field.clear()
    field.send_keys(" ")


def test_numbers_open_as_a_table(browser: Any) -> None:
    details = browser.find_element("css selector", "#part5 figure > details")
    click(browser, details.find_element("css selector", ":scope > summary"))
    wait(browser, "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    rows = texts(browser, "#part5 figure > details[open] tbody tr")
    assert len(rows) == len(EPOCHS) and rows[0].startswith("epochs 1")


def test_the_page_is_light_or_dark(browser: Any) -> None:
    image = pytest.importorskip("PIL.Image")

    def brightness() -> float:
        picture = image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("L")
        shades = picture.histogram()
        assert sum(count > 0 for count in shades) > 50  # text and lines, no blank page
        return float(sum(shade * count for shade, count in enumerate(shades)) / sum(shades))

    def theme() -> str:
        return str(browser.execute_script("return document.documentElement.dataset.theme"))

    seen = {}
    for _ in range(2):
        browser.execute_script("window.scrollTo(0, 0)")
        seen[theme()] = brightness()
        click(browser, browser.find_element("id", "theme"))
    assert seen["light"] > 200 and seen["dark"] < 60


def ink(figure: Any) -> Any:
    """How dark a figure is in 16 rows of 24 fields, 0 to 255."""
    import numpy as np
    from PIL import Image

    picture = Image.open(io.BytesIO(figure.screenshot_as_png)).convert("L")
    return 255 - np.asarray(picture.resize((24, 16), Image.Resampling.BOX), np.float64)


def show(chrome: Any, style: str) -> None:
    """The page anew, in the light, of layers what is not measured, with some style of the test's own."""
    chrome.refresh()
    wait(chrome, "window.ready")
    chrome.execute_script("document.documentElement.dataset.theme = 'light'")
    chrome.find_element("css selector", "#part3 select[name=target]").send_keys("nrf52840")
    add = "document.head.append(Object.assign(document.createElement('style'), {textContent: arguments[0]}))"
    chrome.execute_script(add, f"header {{ position: static !important }} {style}")


def test_figures_look_as_they_did(browser: Any, tmp_path: Path) -> None:
    """In tests/report_figures.png, one below the other, up to fonts."""
    import numpy as np
    from PIL import Image

    def differences() -> Any:
        figures = browser.find_elements("css selector", "figure")
        found = np.stack([ink(figure) for figure in figures])
        Image.fromarray(np.uint8(255 - found.reshape(-1, 24))).save(tmp_path / "report_figures.png")
        known = 255 - np.asarray(Image.open(FIGURES), np.float64).reshape(found.shape)
        return np.abs(found - known).sum((1, 2)) / (found + known).sum((1, 2))

    show(browser, "")
    assert differences().max() < 0.3, f"if they are right all the same, keep {tmp_path / FIGURES.name}"
    show(browser, "figure svg { width: 200px }")
    assert differences().min() > 0.3  # it would be noticed


def test_every_control_has_a_name_and_a_place_for_the_keyboard(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.refresh()
    wait(browser, "window.ready")
    reached = []
    for _ in range(12):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element.tag_name)
    assert reached[0] == "a" and "button" in reached  # the link to the content comes first
    names = browser.execute_script(NAMES)
    assert names and all(name.strip() for name in names), names
    charts = browser.find_elements("css selector", ".chart [role=graphics-document]")
    assert len(charts) == 12 and all(chart.get_attribute("aria-label") for chart in charts)
