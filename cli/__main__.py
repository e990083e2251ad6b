# SPDX-License-Identifier: Apache-2.0
from trit.main import main

main()
