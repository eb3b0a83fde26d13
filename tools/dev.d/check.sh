# ./dev check [--all]: everything that reads code without running it.
. "$root/tools/dev.d/setup.sh"
. "$root/tools/dev.d/fmt.sh"

check_format() {
  cpp_files | xargs -r clang-format-22 --dry-run -Werror --ferror-limit=3
}

# clang-tidy reads build/release/compile_commands.json; a header is read through the files that include it.
check_clang_tidy() {
  local files
  if [ "$1" = all ]; then
    files=$(git ls-files --cached --others --exclude-standard -- 'src/*.cc')
  else
    files=$(changed_files '^src/.*\.cc$')
  fi
  [ -n "$files" ] || { echo "no changed files"; return; }
  # What ships. Tests follow the same names, but their frameworks do not.
  { grep -vE '_(test|bench|fuzz)\.cc$|/testing/' <<<"$files" || true; } |
    xargs -r -P "$(jobs)" -n 2 nice clang-tidy-22 -p build/release --quiet
}

verb_check() {
  local scope=changed failed=() name
  case ${1:-} in
    -h | --help)
      echo "usage: ./dev check [--all]"
      echo "Formatting, tests/tidy, clang-tidy (files that differ from main; --all: every file), headers compiled"
      echo "alone, cargo fmt and clippy. Every check runs; the command fails when one did."
      return
      ;;
    --all) scope=all ;;
    '') ;;
    *) die "check knows only --all" ;;
  esac
  verb_setup
  configure release
  # Generated headers (native.h) come before anything that reads the sources.
  build_preset release selvedge_native_build
  (step "clang-format" check_format) || failed+=(clang-format)
  (step "tidy" python3 -B tests/tidy/tidy.py) || failed+=(tidy)
  (step "headers compile alone" cmake --build build/release --target all_verify_interface_header_sets) ||
    failed+=(headers)
  (step "cargo fmt" cargo fmt --check --manifest-path native/Cargo.toml) || failed+=("cargo fmt")
  (step "cargo clippy" env "CARGO_TARGET_DIR=$cache/cargo" "SELVEDGE_NATIVE_HEADER_DIR=$cache/native-header" \
    cargo clippy --locked --release --manifest-path native/Cargo.toml --all-targets -- -D warnings) ||
    failed+=("cargo clippy")
  (step "clang-tidy ($scope)" check_clang_tidy "$scope") || failed+=(clang-tidy)
  [ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
}
