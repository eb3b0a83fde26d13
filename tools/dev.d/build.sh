# ./dev build [PRESET] [TARGET...]
. "$root/tools/dev.d/setup.sh"

verb_build() {
  case ${1:-} in
    -h | --help)
      echo "usage: ./dev build [release|dev|asan|tsan|fuzz|coverage] [TARGET...]"
      echo "The program is build/PRESET/selvedge."
      return
      ;;
  esac
  local preset=${1:-release}
  [ $# -gt 0 ] && shift
  verb_setup
  build_preset "$preset" "$@"
}
