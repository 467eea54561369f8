# `cmake --install` gives the headers, the package for find_package(vitrail), the program and its bundled model.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS vitrail vitrail_image_io EXPORT vitrail-targets
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(VITRAIL_BUILD_COMPILED)
  install(TARGETS vitrail_compiled EXPORT vitrail-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(EXPORT vitrail-targets NAMESPACE vitrail:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vitrail)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/vitrail-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/vitrail-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vitrail)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/vitrail-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vitrail-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/vitrail-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vitrail)
# For `pkg-config --cflags --libs`: the same three, found from where they lie, whatever the prefix.
set(pkgconfig_names vitrail vitrail-image-io)
if(VITRAIL_BUILD_COMPILED)
  list(APPEND pkgconfig_names vitrail-compiled)
endif()
set(compiled_needs vitrail)
if(JPEG_FOUND AND PNG_FOUND)
  set(compiled_needs vitrail-image-io)
endif()
file(RELATIVE_PATH to_include ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
foreach(name ${pkgconfig_names})
  configure_file(${CMAKE_CURRENT_LIST_DIR}/pkgconfig/${name}.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
if(TARGET vitrail_cli)
  install(TARGETS vitrail_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/models/fashion_mnist
    DESTINATION ${CMAKE_INSTALL_DATADIR}/vitrail/models)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
