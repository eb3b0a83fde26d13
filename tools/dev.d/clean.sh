# ./dev clean [--cache]
verb_clean() {
  case ${1:-} in
    -h | --help)
      echo "usage: ./dev clean [--cache]"
      echo "Removes build/ and what setup placed in examples/; --cache also removes $cache."
      return
      ;;
    '' | --cache) ;;
    *) die "clean knows only --cache" ;;
  esac
  rm -rf build examples/php-site/php-cgi.wasm examples/python-wcgi/python.wasm examples/python-wcgi/lib
  report removed build/
  if [ "${1:-}" = --cache ]; then
    rm -rf "$cache"
    report removed "$cache"
  fi
}
