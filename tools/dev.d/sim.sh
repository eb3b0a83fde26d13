# ./dev sim [SEED]
verb_sim() {
  die "there is no cluster simulation yet: tests/sim does not exist (the simulated clock and network in src/io have unit tests)"
}
