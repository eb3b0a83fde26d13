# ./dev package [--version VERSION] [--lint]
. "$root/tools/dev.d/setup.sh"

# The same commit makes the same bytes.
package_epoch() {
  git log -1 --format=%ct 2>/dev/null || date +%s
}

verb_package() {
  local version= lint= options=() made
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        echo "usage: ./dev package [--version VERSION] [--lint]"
        echo "Builds the Debian package build/release/selvedge_VERSION_ARCHITECTURE.deb. An upgrade needs a higher"
        echo "version than what is installed, such as 0.1.0+1; --lint shows what lintian says of it."
        return
        ;;
      --version)
        version=${2:?--version needs a version}
        shift
        ;;
      --lint) lint=yes ;;
      *) die "package does not know $1" ;;
    esac
    shift
  done
  verb_setup
  build_preset release selvedge selvedge_package_files
  [ -z "$version" ] || options=(-R "$version")
  step "the package" env SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(package_epoch)}" \
    cpack --config build/release/CPackConfig.cmake -B build/release "${options[@]}"
  made=$(ls -t build/release/selvedge_*.deb | head -n 1)
  echo "$made"
  [ -z "$lint" ] || lintian --allow-root --fail-on error "$made"
}
