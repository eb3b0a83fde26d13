# ./dev demo: a node with every example that answers requests deployed to it.
. "$root/tools/dev.d/setup.sh"

# name | path to ask first | what the answer contains
demo_examples=(
  'php-site|/api.php?text=one+two+three|"words":3'
  'python-wcgi|/sum?n=1&n=2&n=39|"sum": 42'
  'c-hello|/?name=Ada|Hello, Ada'
  'http-server|/hello|GET /hello'
  'chat|/|new WebSocket'
)
demo_node=
demo_folder=

demo_stop() {
  if [ -n "$demo_node" ]; then
    kill -TERM "$demo_node" 2>/dev/null || true
    wait "$demo_node" 2>/dev/null || true
    demo_node=
  fi
  if [ -n "$demo_folder" ]; then
    rm -rf "$demo_folder"
    demo_folder=
  fi
}

demo_fail() {
  echo "  FAILED   $1" >&2
  tail -n 20 "$demo_folder/log" >&2
  exit 1
}

demo_free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# demo_start PROGRAM PORT: the node, in the background, until it takes requests. Its data lies in a folder of this run;
# what is compiled is kept for the next one.
demo_start() {
  local deadline=$((SECONDS + 60))
  mkdir -p "$cache"
  mkdir -p -m 700 "$cache/demo-artifacts"
  demo_folder=$(mktemp -d "${TMPDIR:-/tmp}/selvedge-demo.XXXXXX")
  mkdir -m 700 "$demo_folder/data"
  ln -s "$cache/demo-artifacts" "$demo_folder/data/artifacts"
  : >"$demo_folder/log"
  # In a session of its own: Ctrl-C would reach it as well as us, and a second signal does not let it drain.
  setsid "$1" node --data "$demo_folder/data" --http "127.0.0.1:$2" >"$demo_folder/log" 2>&1 &
  demo_node=$!
  until grep -q '^Serving apps' "$demo_folder/log"; do
    kill -0 "$demo_node" 2>/dev/null || demo_fail "the node did not start"
    [ "$SECONDS" -lt "$deadline" ] || demo_fail "the node did not take requests in time"
    sleep 0.1
  done
}

# demo_ask URL WANTED: the answer holds WANTED.
demo_ask() {
  local answer
  if ! answer=$(curl --silent --show-error --fail --max-time 60 "$1" 2>&1) ||
    [[ $answer != *"$2"* ]]; then
    demo_fail "$1 did not answer with $2; its answer: $answer"
  fi
}

verb_demo() {
  local check= build=yes
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        echo "usage: ./dev demo [--check] [--no-build]"
        echo "Starts a node, deploys every example that answers requests, and serves them until Ctrl-C."
        echo "--check asks each once and ends; --no-build takes the program as it is (\$SELVEDGE_BINARY, else"
        echo "build/release/selvedge)."
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
  trap 'exit 0' INT TERM HUP
  local program=${SELVEDGE_BINARY:-build/release/selvedge} port entry name path wanted
  port=$(demo_free_port)
  demo_start "$program" "$port"
  echo "deploying; the first time compiles each program once"
  for entry in "${demo_examples[@]}"; do
    IFS='|' read -r name path wanted <<<"$entry"
    "$program" deploy --quiet --node "$demo_folder/data/admin.sock" "examples/$name" ||
      demo_fail "$name was not deployed"
    demo_ask "http://$name.localhost:$port$path" "$wanted"
    printf '\n%-12s http://%s.localhost:%s/\n             curl %s\n' "$name" "$name" "$port" \
      "'http://$name.localhost:$port$path'"
  done
  if [ -n "$check" ]; then
    kill -TERM "$demo_node"
    wait "$demo_node" || demo_fail "the node ended with $?"
    demo_node=
    echo "every example answered"
    return
  fi
  printf '\nanother one: %s deploy FOLDER --node %s\nlog:         %s\nCtrl-C ends the node\n' \
    "$program" "$demo_folder/data/admin.sock" "$demo_folder/log"
  wait "$demo_node"
}
