# SPDX-License-Identifier: Apache-2.0
# What Python loads with ctypes; installed beside trit/runtime/__init__.py.
add_library(tritrt_host MODULE $<TARGET_OBJECTS:tritrt> src/host.c)
target_include_directories(tritrt_host PRIVATE include)
target_compile_options(tritrt_host PRIVATE ${TRIT_WARNINGS})
set_target_properties(tritrt_host PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF OUTPUT_NAME tritrt PREFIX lib SUFFIX .so)
install(TARGETS tritrt_host LIBRARY DESTINATION trit/runtime)
