# SPDX-License-Identifier: Apache-2.0
"""The page that `trit report` writes."""
