# The Debian package: `./dev package`, or cpack in the build folder. What it installs, and what its scripts do, is in
# packaging/. Dependencies are computed from the libraries that the program was linked to (dpkg-shlibdeps).
set(package_files "${PROJECT_SOURCE_DIR}/packaging")
set(package_built "${PROJECT_BINARY_DIR}/package")

# The same sources make the same bytes: man page and changelog carry no time of their own, cpack reads SOURCE_DATE_EPOCH.
add_custom_command(
  OUTPUT "${package_built}/selvedge.1.gz" "${package_built}/changelog.gz"
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${package_built}"
  COMMAND python3 -B "${PROJECT_SOURCE_DIR}/tools/man_page.py" $<TARGET_FILE:selvedge> "${PROJECT_VERSION}"
          > "${package_built}/selvedge.1"
  COMMAND gzip -9nf "${package_built}/selvedge.1"
  COMMAND gzip -9nc "${package_files}/changelog" > "${package_built}/changelog.gz"
  DEPENDS selvedge "${PROJECT_SOURCE_DIR}/tools/man_page.py" "${package_files}/changelog"
  COMMENT "Man page" VERBATIM)
add_custom_target(selvedge_package_files ALL DEPENDS "${package_built}/selvedge.1.gz")

install(TARGETS selvedge RUNTIME DESTINATION bin)
install(FILES "${package_files}/selvedge.toml" DESTINATION /etc/selvedge)
install(FILES "${package_files}/selvedge.service" DESTINATION /lib/systemd/system)
install(FILES "${package_built}/selvedge.1.gz" DESTINATION share/man/man1)
install(FILES "${package_files}/lintian-overrides" DESTINATION share/lintian/overrides RENAME selvedge)
install(FILES "${package_built}/changelog.gz" "${package_files}/copyright" "${PROJECT_SOURCE_DIR}/docs/node-config.md"
        DESTINATION share/doc/selvedge)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME selvedge)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "The Selvedge authors <authors@selvedge.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "WebAssembly edge platform in one program
A node runs ordinary programs, compiled to WebAssembly, and serves them over
HTTP: each in an instance of its own, which starts in microseconds to
milliseconds and reaches nothing that it was not given. Apps have versions,
and are deployed and switched without a lost request.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
file(WRITE "${package_built}/conffiles" "/etc/selvedge/selvedge.toml\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${package_built}/conffiles;${package_files}/postinst;${package_files}/prerm;${package_files}/postrm")
include(CPack)
