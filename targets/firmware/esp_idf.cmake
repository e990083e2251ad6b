# Written by trit: an ESP-IDF component.
idf_component_register(SRCS "src/trit.c" "src/model.c" INCLUDE_DIRS "include" PRIV_INCLUDE_DIRS "src")
target_compile_options($${COMPONENT_LIB} PRIVATE -ffp-contract=off)
