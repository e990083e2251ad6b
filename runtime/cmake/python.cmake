# SPDX-License-Identifier: Apache-2.0
# The one library of the Python package, installed beside trit/runtime/__init__.py: ctypes loads it, for what src/host*.c
# adds to the C library, and onnxruntime, for the kernels of onnxruntime/. It has one name on every system; both load any.
file(GLOB TRIT_HOST_SOURCES CONFIGURE_DEPENDS src/host*.c)
file(GLOB TRIT_ONNXRUNTIME_SOURCES CONFIGURE_DEPENDS onnxruntime/*.c)
add_library(tritrt_python MODULE $<TARGET_OBJECTS:tritrt> ${TRIT_HOST_SOURCES} ${TRIT_ONNXRUNTIME_SOURCES})
if(NOT MSVC)
  set_source_files_properties(${TRIT_ONNXRUNTIME_SOURCES} PROPERTIES COMPILE_OPTIONS -fvisibility=hidden)
endif()
target_include_directories(tritrt_python PRIVATE include)
target_compile_options(tritrt_python PRIVATE ${TRIT_WARNINGS} ${TRIT_ARITHMETIC})
set_target_properties(tritrt_python PROPERTIES
  C_STANDARD 99 C_EXTENSIONS OFF OUTPUT_NAME tritrt PREFIX lib SUFFIX .so WINDOWS_EXPORT_ALL_SYMBOLS ON)
install(TARGETS tritrt_python LIBRARY DESTINATION trit/runtime)
