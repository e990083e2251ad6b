# SPDX-License-Identifier: Apache-2.0
"""Hypothesis draws the same examples in every run, and takes the time they take."""

from hypothesis import settings

settings.register_profile("trit", derandomize=True, deadline=None, database=None)
settings.load_profile("trit")
