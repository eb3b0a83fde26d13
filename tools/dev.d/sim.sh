# ./dev sim [SEED]
verb_sim() {
  die "there is no cluster simulation yet (the simulated clock and network have unit tests in src/io)"
}
