# SPDX-License-Identifier: Apache-2.0
"""A model and the C runtime as a library of other build systems: Arduino, Zephyr, ESP-IDF."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.amalgamate import amalgamation
from trit.runtime.files import write_atomic
from trit.targets.folder import new_contents
from trit.targets.microcontroller.config import LANES, config_header
from trit.targets.sources import Images, fill_template, model_header, model_source, test_images_source

LONGEST_NAME = 63  # that Arduino allows
CONFIG = "trit_config.h"


@dataclass(frozen=True)
class Format:
    """A library's layout. `templates` maps its files to those of firmware/ that they come from."""

    kind: str
    headers: str  # folder of those that programs include
    templates: Mapping[str, str]
    install: str
    includes: str = '#include "model.h"\n#include "trit.h"\n'


FORMATS = {
    "arduino": Format(
        "an Arduino library",
        "src",
        {
            "library.properties": "arduino.properties",
            "src/$name.h": "arduino.h",
            "examples/TestImages/TestImages.ino": "arduino.ino",
        },
        "Put this folder into the `libraries` folder of your sketchbook, and open the example TestImages. It is for "
        "32-bit boards. Before you publish it, fill in author, maintainer and url of library.properties.",
        "#include <$name.h>\n",
    ),
    "zephyr": Format(
        "a Zephyr module",
        "include",
        {
            "zephyr/module.yml": "zephyr_module.yml",
            "Kconfig": "zephyr.Kconfig",
            "CMakeLists.txt": "zephyr.cmake",
        },
        "Build with `-DEXTRA_ZEPHYR_MODULES=` this folder (`ZEPHYR_EXTRA_MODULES` before Zephyr 3.4), and say "
        "`CONFIG_$option=y` in `prj.conf`.",
    ),
    "esp-idf": Format(
        "an ESP-IDF component",
        "include",
        {"CMakeLists.txt": "esp_idf.cmake", "idf_component.yml": "esp_idf_component.yml"},
        "Put this folder into `components/` of your project; those that use it say `REQUIRES` with the folder's name.",
    ),
}


def write_library(graph: Graph, format: str, folder: Path, images: Images) -> None:
    """The graph as a library of that format in `folder`, with images (N, C, H, W) to test it where it has an example.

    Raises TritError if the folder holds other things or cannot be written; it is then as it was.
    """
    layout, plan = FORMATS[format], to_plan(graph, lanes=LANES)
    session = Session(plan)
    values = _values(graph, session)
    values |= {
        "kind": layout.kind,
        "install": _fill(layout.install, values),
        "includes": _fill(layout.includes, values),
    }
    contents = {_fill(path, values): fill_template(source, values) for path, source in layout.templates.items()}
    library = amalgamation()
    contents |= {
        f"{layout.headers}/trit.h": library["trit.h"],
        f"{layout.headers}/model.h": model_header(plan),
        "src/trit.c": f'#define TRIT_CONFIG "{CONFIG}"\n{library["trit.c"]}',
        f"src/{CONFIG}": config_header(graph, session, "carry_save"),
        "src/model.c": model_source(plan),
        "README.md": fill_template("readme_library.md", values),
    }
    if format == "arduino":
        tests = test_images_source(images, session.run(images), section="")
        contents["examples/TestImages/test_images.c"] = tests
    with new_contents(folder) as made:
        for path, text in contents.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(made / path, text.encode())


def _values(graph: Graph, session: Session) -> dict[str, str]:
    model = graph.metadata.get("name") or "model"
    name = f"trit_{re.sub(r'[^0-9A-Za-z]+', '_', model).strip('_').lower()}"[:LONGEST_NAME]
    shape, classes = " x ".join(map(str, session.input_shape)), session.output_shape[0]
    facts = (
        f"Takes uint8 {shape} and gives {classes} scores; {session.size:,} bytes of flash and the code, "
        f"{session.arena_size:,} bytes of RAM and the stack."
    )
    return {
        "model": " ".join(re.sub(r"[^\w.+-]", " ", model).split()),
        "name": name,
        "option": name.upper(),
        "facts": facts,
    }


def _fill(text: str, values: Mapping[str, str]) -> str:
    return text.replace("$name", values["name"]).replace("$option", values["option"])
