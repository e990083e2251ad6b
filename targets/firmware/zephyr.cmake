# Written by trit: a Zephyr module.
if(CONFIG_$option)
  zephyr_include_directories(include)
  zephyr_library()
  zephyr_library_include_directories(src)
  zephyr_library_sources(src/trit.c src/model.c)
  zephyr_library_compile_options(-ffp-contract=off)
endif()
