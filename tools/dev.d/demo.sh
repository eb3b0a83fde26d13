# ./dev demo: every example behind its own port.
. "$root/tools/dev.d/setup.sh"

# name | path to ask first | what the answer contains
demo_examples=(
  'php-site|/api.php?text=one+two+three|"words":3'
  'python-wcgi|/sum?n=1&n=2&n=39|"sum": 42'
  'c-hello|/?name=Ada|Hello, Ada'
  'http-server|/hello|GET /hello'
  'chat|/|new WebSocket'
)
demo_pids=()

demo_stop() {
  local pid
  for pid in "${demo_pids[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  for pid in "${demo_pids[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
  demo_pids=()
}

demo_free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# demo_serve NAME PORT LOG: starts one server in the background.
demo_serve() {
  "${SELVEDGE_BINARY:-build/release/selvedge}" run --http "127.0.0.1:$2" "examples/$1" >"$3" 2>&1 &
  demo_pids+=($!)
}

# demo_wait PID URL WANTED LOG: until the answer holds WANTED; the first start compiles, which takes seconds.
demo_wait() {
  local deadline=$((SECONDS + 180)) answer
  while [ "$SECONDS" -lt "$deadline" ]; do
    if answer=$(curl --silent --fail --max-time 30 "$2") && [[ $answer == *"$3"* ]]; then
      return 0
    fi
    if ! kill -0 "$1" 2>/dev/null; then
      break
    fi
    sleep 0.2
  done
  echo "  FAILED   $2 did not answer with $3; last answer: ${answer:-none}" >&2
  tail -n 20 "$4" >&2
  return 1
}

verb_demo() {
  local check= build=yes port
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        echo "usage: ./dev demo [--check] [--no-build]"
        echo "Serves every example until Ctrl-C. --check asks each once and ends; --no-build takes the program as it is"
        echo "(\$SELVEDGE_BINARY, else build/release/selvedge)."
        return
        ;;
      --check) check=yes ;;
      --no-build) build= ;;
      *) die "demo does not know $1" ;;
    esac
    shift
  done
  if [ -n "$build" ]; then
    verb_setup
    build_preset release
  fi
  trap demo_stop EXIT
  trap 'exit 0' INT TERM
  local entry name path wanted ports=() logs=() index=0
  mkdir -p "$cache/logs"
  for entry in "${demo_examples[@]}"; do
    name=${entry%%|*}
    port=$(demo_free_port)
    ports+=("$port")
    logs+=("$(mktemp "$cache/logs/$name.XXXXXX.log")")
    demo_serve "$name" "$port" "${logs[-1]}"
  done
  echo "starting; the first start compiles each program once"
  for entry in "${demo_examples[@]}"; do
    IFS='|' read -r name path wanted <<<"$entry"
    local url=http://127.0.0.1:${ports[$index]}
    demo_wait "${demo_pids[$index]}" "$url$path" "$wanted" "${logs[$index]}" || exit 1
    printf '\n%-12s %s/\n             curl %s\n' "$name" "$url" "'$url$path'"
    index=$((index + 1))
  done
  if [ -n "$check" ]; then
    demo_stop
    echo "every example answered"
    return
  fi
  printf '\nlogs: %s\nCtrl-C ends them\n' "${logs[*]}"
  wait
}
