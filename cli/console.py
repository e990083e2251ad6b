# SPDX-License-Identifier: Apache-2.0
"""Where progress and messages go: standard error, so that tables and JSON can be piped."""

from rich.console import Console

stderr = Console(stderr=True)
