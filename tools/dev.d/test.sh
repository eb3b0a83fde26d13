# ./dev test: what CI runs.
. "$root/tools/dev.d/setup.sh"

# run_tests PRESET CTEST-OPTION...: leaves build/PRESET/test-results/{ctest.xml,*.xml}; failures are counted at the end.
run_tests() {
  local preset=$1 results=$root/build/$1/test-results
  shift
  rm -rf "$results"
  mkdir -p "$results"
  GTEST_OUTPUT=xml:$results/ ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
    --output-junit "$results/ctest.xml" --parallel "${SELVEDGE_TEST_JOBS:-2}" "$@" || true
}

verb_test() {
  local all=${SELVEDGE_TEST_ALL:-} options=()
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        echo "usage: ./dev test [--all] [-R REGEX] [CTEST-OPTION...]"
        echo "--all (or SELVEDGE_TEST_ALL=1) repeats the unit tests under ASan+UBSan and TSan."
        return
        ;;
      --all) all=1 ;;
      *) options+=("$1") ;;
    esac
    shift
  done
  local began=$SECONDS presets=(release) preset
  verb_setup
  build_preset release
  run_tests release "${options[@]}"
  if [ -n "$all" ]; then
    for preset in asan tsan; do
      build_preset "$preset"
      run_tests "$preset" -L unit "${options[@]}"
      presets+=("$preset")
    done
  fi
  report done "tests" $((SECONDS - began))
  python3 -B tools/test_summary.py "${presets[@]}"
}
