# ./dev sim [SEED]: the simulations of tests/sim, with all their seeds or one.
. "$root/tools/dev.d/setup.sh"

verb_sim() {
  case ${1:-} in
    -h | --help)
      echo "usage: ./dev sim [SEED]"
      return
      ;;
    '') ;;
    *[!0-9]*) die "a seed is a number, not '$1'" ;;
    *) export SELVEDGE_SIM_SEED=$1 ;;
  esac
  verb_setup
  build_preset release selvedge_sim_test
  build/release/tests/sim/selvedge_sim_test --gtest_brief=1
}
