# SPDX-License-Identifier: Apache-2.0
"""What trit costs beside its peers: one module a subject, run as `python -m benchmarks.training`."""
