# SPDX-License-Identifier: Apache-2.0
# What Python loads with ctypes; installed beside trit/runtime/__init__.py.
file(GLOB TRIT_HOST_SOURCES CONFIGURE_DEPENDS src/host*.c)
add_library(tritrt_host MODULE $<TARGET_OBJECTS:tritrt> ${TRIT_HOST_SOURCES})
target_include_directories(tritrt_host PRIVATE include)
target_compile_options(tritrt_host PRIVATE ${TRIT_WARNINGS} ${TRIT_ARITHMETIC})
set_target_properties(tritrt_host PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF OUTPUT_NAME tritrt PREFIX lib SUFFIX .so)
install(TARGETS tritrt_host LIBRARY DESTINATION trit/runtime)
