# SPDX-License-Identifier: Apache-2.0
# The kernels that onnxruntime loads; installed beside trit/runtime/__init__.py.
file(GLOB TRIT_ONNXRUNTIME_SOURCES CONFIGURE_DEPENDS onnxruntime/*.c)
add_library(trit_onnxruntime MODULE $<TARGET_OBJECTS:tritrt> ${TRIT_ONNXRUNTIME_SOURCES})
target_include_directories(trit_onnxruntime PRIVATE include)
target_compile_options(trit_onnxruntime PRIVATE ${TRIT_WARNINGS} ${TRIT_ARITHMETIC})
set_target_properties(trit_onnxruntime PROPERTIES
  C_STANDARD 99 C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden OUTPUT_NAME trit_onnxruntime PREFIX lib SUFFIX .so)
install(TARGETS trit_onnxruntime LIBRARY DESTINATION trit/runtime)
