# Shared by the verbs of ./dev. Sourced, never run: `root` is the source tree.

cache=${SELVEDGE_CACHE:-$HOME/.cache/selvedge}
export SELVEDGE_CACHE=$cache
export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache}
# The clone's own path would otherwise be part of every hash, so that a second clone compiles everything again.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}
export npm_config_cache=${npm_config_cache:-$cache/npm}
export PATH=$HOME/.cargo/bin:$PATH

die() {
  echo "dev: $*" >&2
  exit 1
}

# report STATE TEXT SECONDS: the one line each step leaves behind.
report() {
  printf '  %-8s %s' "$1" "$2"
  if [ "${3:-0}" -gt 0 ]; then
    printf ' (%d s)' "$3"
  fi
  printf '\n'
}

# step TEXT COMMAND...: runs the command, shows its output only when it fails, and reports the time.
step() {
  local text=$1 log began=$SECONDS
  shift
  mkdir -p "$cache/logs"
  log=$(mktemp "$cache/logs/step.XXXXXX")
  if "$@" >"$log" 2>&1; then
    report done "$text" $((SECONDS - began))
    rm -f "$log"
  else
    report FAILED "$text" $((SECONDS - began))
    tail -n 60 "$log" >&2
    rm -f "$log"
    exit 1
  fi
}

# as_root COMMAND...: through sudo when needed; says so when there is no way.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this step needs root: run it as root or install sudo ($*)"
  fi
}

# The number of parallel jobs: one per core, fewer when memory is short (a compiler takes up to 1.5 GiB).
jobs() {
  local cores memory_gib
  cores=$(nproc)
  memory_gib=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
  local by_memory=$((memory_gib * 2 / 3))
  [ "$by_memory" -lt 1 ] && by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# configure PRESET: only when the build folder is not configured yet; ninja reruns cmake itself afterwards.
configure() {
  if [ ! -f "build/$1/build.ninja" ]; then
    step "configure $1" cmake --preset "$1"
  fi
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1 began=$SECONDS
  shift
  configure "$preset"
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --build "build/$preset" --parallel "$(jobs)" "${targets[@]}" || die "the build failed"
  report done "build $preset" $((SECONDS - began))
}

# changed_files REGEX: tracked or new files that differ from the main branch and match.
changed_files() {
  {
    git diff --name-only --diff-filter=d "$(git merge-base HEAD main 2>/dev/null || echo HEAD)" --
    git ls-files --others --exclude-standard
  } | sort -u | grep -E "$1" || true
}
