# ./dev fmt: formats C++, C and Rust in place.
cpp_files() {
  git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' '*.c' | while read -r file; do
    [ -f "$file" ] && echo "$file"
  done
}

verb_fmt() {
  case ${1:-} in
    -h | --help) echo "usage: ./dev fmt"; return ;;
  esac
  step "clang-format" bash -c 'xargs -r clang-format-22 -i' < <(cpp_files)
  step "cargo fmt" cargo fmt --manifest-path native/Cargo.toml
}
