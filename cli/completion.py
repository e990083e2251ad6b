# SPDX-License-Identifier: Apache-2.0
"""What a shell completes names with. Where nothing here fits it offers files: models, and one's own .toml files."""

from __future__ import annotations


def recipes(incomplete: str) -> list[str]:
    from trit.train.recipe import available

    return [name for name in available() if name.startswith(incomplete)]


def targets(incomplete: str) -> list[str]:
    """Of several, separated by commas, the last."""
    from trit.targets.description import available

    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in available() if name.startswith(last)]


def networks(incomplete: str) -> list[str]:
    from trit.commands.zoo import networks as cards

    return [card["name"] for card in cards() if card["name"].startswith(incomplete)]
