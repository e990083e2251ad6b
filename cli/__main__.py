# SPDX-License-Identifier: Apache-2.0
"""The `trit` command; without the packages of trit[cli], the one line that says so."""

import sys

from trit.runtime.errors import missing_extra


def main() -> None:
    try:
        from trit.main import main as run
    except ModuleNotFoundError as error:
        sys.stderr.write(f"trit: {missing_extra(error)}\n")
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
