# ./dev bench NAME [OPTION...]
. "$root/tools/dev.d/setup.sh"

bench_workerd=workerd@1.20261117.1
bench_wasmtime=48.0.8
bench_wasmer=7.4.2

bench_usage() {
  cat <<'TEXT'
usage: ./dev bench NAME [--write] [OPTION...]

  gateway   the gateway's own fixed answer, next to nginx `return 200`
  wcgi      a C program, a fresh instance per request, next to nginx and workerd
  proxy     an HTTP server as a guest behind the gateway, next to nginx before the same server built natively
  machine   threads, pipes, sockets and children of a guest, next to the same program built natively
  neighbours  latency of guests beside one that takes children, memory, sockets … without end
            (proxy and machine: --install-wasmer builds wasmer-cli with cargo, many minutes, once; it joins the table)
  start     php-cgi and CPython to their first byte, next to `wasmtime run` of their AOT files
            (--install-wasmtime builds wasmtime-cli with cargo: many minutes, once)
  node      deploys, finding the app among 10,000, cold requests, switches under load, 10,000 instances
            (node PART... for some: deploy routing cold activate instances)
  engine    host calls, instances, suspension; and every other src/MODULE/*_bench.cc by module name
            (--filter REGEX)

--write puts the table into docs/benchmarks.md. Servers are pinned to core 0 and clients to core 1; compare ratios, not
times.
TEXT
}

bench_node() {
  mkdir -p "$cache/node"
  if [ ! -x "$cache/node/node_modules/.bin/workerd" ]; then
    step "$bench_workerd (npm)" npm install --silent --no-fund --no-audit --prefix "$cache/node" "$bench_workerd"
  fi
  export SELVEDGE_NODE_BIN=$cache/node/node_modules/.bin
}

bench_start() {
  local options=() install=
  for option in "$@"; do
    if [ "$option" = --install-wasmtime ]; then install=yes; else options+=("$option"); fi
  done
  local wasmtime=$cache/wasmtime-cli/bin/wasmtime
  if [ -n "$install" ] && [ ! -x "$wasmtime" ]; then
    step "wasmtime-cli $bench_wasmtime (cargo)" nice cargo install wasmtime-cli --locked --version "$bench_wasmtime" \
      --root "$cache/wasmtime-cli" --target-dir "$cache/cargo-wasmtime-cli"
  fi
  if [ -x "$wasmtime" ]; then
    options+=(--wasmtime "$wasmtime")
  else
    echo "  wasmtime-cli is not installed (--install-wasmtime): only our own numbers"
  fi
  SELVEDGE_CACHE_GUESTS=$cache/guests python3 -B bench/start_bench.py "${options[@]}"
}

# Sets bench_options to the options, with the program to compare with when it is there.
bench_with_wasmer() {
  local option install= wasmer=$cache/wasmer-cli/bin/wasmer
  bench_options=()
  for option in "$@"; do
    if [ "$option" = --install-wasmer ]; then install=yes; else bench_options+=("$option"); fi
  done
  if [ -n "$install" ] && [ ! -x "$wasmer" ]; then
    step "wasmer-cli $bench_wasmer (cargo)" nice cargo install wasmer-cli --locked --version "$bench_wasmer" \
      --features cranelift --root "$cache/wasmer-cli" --target-dir "$cache/cargo-wasmer-cli"
  fi
  if [ -x "$wasmer" ]; then
    bench_options+=(--wasmer "$wasmer")
  else
    echo "  wasmer-cli is not installed (--install-wasmer): not in the table"
  fi
}

verb_bench() {
  local name=${1:-}
  [ $# -gt 0 ] && shift
  case $name in
    -h | --help | '')
      bench_usage
      [ -n "$name" ] || exit 2
      return
      ;;
    gateway | wcgi | proxy | machine | neighbours | start | node) ;;
    *) [ -n "$(git ls-files -co --exclude-standard -- "src/$name/*_bench.cc")" ] || die "bench: there is no '$name'" ;;
  esac
  verb_setup
  case $name in
    gateway | wcgi)
      build_preset release selvedge selvedge_guests
      [ "$name" = wcgi ] && bench_node
      python3 -B bench/http_bench.py "$name" "$@"
      ;;
    proxy)
      build_preset release selvedge selvedge_examples
      bench_with_wasmer "$@"
      python3 -B bench/http_bench.py proxy "${bench_options[@]}"
      ;;
    machine)
      build_preset release selvedge
      bench_with_wasmer "$@"
      python3 -B bench/machine_bench.py "${bench_options[@]}"
      ;;
    neighbours)
      build_preset release selvedge selvedge_guests
      python3 -B bench/neighbours_bench.py "$@"
      ;;
    node)
      build_preset release selvedge selvedge_guests
      SELVEDGE_CACHE_GUESTS=$cache/guests python3 -B bench/node_bench.py "$@"
      ;;
    start)
      build_preset release selvedge
      bench_start "$@"
      ;;
    *)
      build_preset release "selvedge_${name}_bench"
      python3 -B bench/micro_bench.py "$name" "build/release/src/$name/selvedge_${name}_bench" "$@"
      ;;
  esac
}
