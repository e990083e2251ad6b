# SPDX-License-Identifier: Apache-2.0
"""One module a subcommand; each holds the function of its name."""
