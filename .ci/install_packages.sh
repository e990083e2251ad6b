#!/usr/bin/env bash
# Installs the Debian packages that the tests of the C library, of firmware, of reports and of shells use, and ccache, which makes them quicker.
# Where it cannot, tests skip and say why.
set -euo pipefail

missing=()
need() { # COMMAND PACKAGE...
  command -v "$1" >/dev/null || missing+=("${@:2}")
}
need g++ build-essential
need make build-essential
need clang clang
need cmake cmake
need ccache ccache
need pkg-config pkg-config
need qemu-s390x qemu-user
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
need arm-none-eabi-gcc gcc-arm-none-eabi
need riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf
need qemu-system-arm qemu-system-arm
need qemu-system-riscv32 qemu-system-misc
need avr-gcc gcc-avr avr-libc
need simavr simavr
need ngspice ngspice
need zsh zsh
need fish fish
need chromium chromium
need chromedriver chromium-driver
if [ ! -e /usr/include/simavr/sim_avr.h ]; then
  missing+=(libsimavr-dev libelf-dev)
fi
# clang's sanitizers and fuzzer are another package, of the same version as clang itself.
if ! ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1; then
  missing+=(libclang-rt-dev)
fi

if [ ${#missing[@]} -eq 0 ]; then
  echo "All packages are there."
elif [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed, for want of root or apt-get: ${missing[*]}. The tests that need them will be skipped."
else
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || echo "apt-get update failed; trying with the lists there are."
  for package in "${missing[@]}"; do
    apt-get install -qq -y --no-install-recommends "$package" >/dev/null ||
      echo "$package could not be installed; the tests that need it will be skipped."
  done
fi
