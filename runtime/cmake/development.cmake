# SPDX-License-Identifier: Apache-2.0
# For work on the library itself: the tests (ctest), and `cmake --build BUILD --target amalgamation`.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  add_custom_target(amalgamation
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/amalgamate.py ${PROJECT_BINARY_DIR}/amalgamation)
endif()

set(TRIT_TESTS_FOLDER ${PROJECT_SOURCE_DIR}/../tests/c)
if(TRIT_TESTS AND EXISTS ${TRIT_TESTS_FOLDER})
  enable_testing()
  add_subdirectory(${TRIT_TESTS_FOLDER} tests)
endif()
