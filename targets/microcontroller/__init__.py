# SPDX-License-Identifier: Apache-2.0
"""Firmware for microcontrollers: cores, cross compilers, simulators, cycles."""
