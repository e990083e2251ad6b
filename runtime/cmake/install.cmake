# SPDX-License-Identifier: Apache-2.0
# What cmake --install puts in place: the library, its headers, find_package(trit) and pkg-config trit.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(TRIT_PACKAGE ${CMAKE_INSTALL_LIBDIR}/cmake/trit)
install(TARGETS tritrt EXPORT trit INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/trit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT trit NAMESPACE trit:: FILE trit-config.cmake DESTINATION ${TRIT_PACKAGE})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/trit-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/trit-config-version.cmake DESTINATION ${TRIT_PACKAGE})

# Seen from the file itself, so that the whole installation can move.
file(RELATIVE_PATH TRIT_INCLUDE_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${CMAKE_CURRENT_LIST_DIR}/trit.pc.in ${PROJECT_BINARY_DIR}/trit.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/trit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
