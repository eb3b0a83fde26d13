# ./dev fuzz [TARGET...] [--seconds N] [--list]: every src/MODULE/NAME_fuzz.cc is the target MODULE_NAME_fuzz.
. "$root/tools/dev.d/setup.sh"

fuzz_targets() {
  local file module
  git ls-files --cached --others --exclude-standard -- 'src/*_fuzz.cc' | while read -r file; do
    module=$(cut -d/ -f2 <<<"$file")
    echo "${module}_$(basename "$file" .cc)"
  done | sort
}

# run_fuzzer TARGET SECONDS: the committed corpus is read-only; new inputs go to the cache, findings to build/fuzz.
run_fuzzer() {
  local target=$1 seconds=$2 program corpus=$cache/corpus/$1 committed=$root/fuzz/$1
  program=$(find build/fuzz/src -type f -name "$target" -perm -u+x | head -n 1)
  [ -n "$program" ] || die "fuzz: $target was not built"
  mkdir -p "$corpus" build/fuzz/findings
  local corpora=("$corpus")
  [ -d "$committed" ] && corpora+=("$committed")
  "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$target-" "${corpora[@]}"
}

verb_fuzz() {
  local seconds=30 wanted=() target
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        echo "usage: ./dev fuzz [--list] [--seconds N] [TARGET...]"
        echo "Each target runs N seconds (default 30) under ASan and UBSan. Its corpus is fuzz/TARGET."
        return
        ;;
      --list)
        fuzz_targets
        return
        ;;
      --seconds)
        seconds=${2:?--seconds needs a number}
        shift
        ;;
      *) wanted+=("$1") ;;
    esac
    shift
  done
  [ ${#wanted[@]} -gt 0 ] || mapfile -t wanted < <(fuzz_targets)
  [ ${#wanted[@]} -gt 0 ] || die "fuzz: there is no src/*/*_fuzz.cc"
  verb_setup
  build_preset fuzz "${wanted[@]}"
  for target in "${wanted[@]}"; do
    step "$target, $seconds s" run_fuzzer "$target" "$seconds"
  done
}
