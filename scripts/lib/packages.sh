# The Debian packages that building and testing need, and which of them are missing. Sourced by scripts/setup.
# `a|b` is a choice: the first that is installed counts, else the first that this release has.

PACKAGES=(
  # compilers and build
  g++ cmake ninja-build make ccache mold pkg-config git ca-certificates dpkg-dev
  # what the daemon links to
  libabsl-dev libcivetweb-dev libcli11-dev libexpected-dev libfmt-dev libjs-chart.js libmimalloc-dev libpq-dev
  libre2-dev libsimdjson-dev libspdlog-dev libsqlite3-dev libxxhash-dev libyaml-cpp-dev prometheus-cpp-dev
  # what librdkafka links to
  liblz4-dev libsasl2-dev libssl-dev libzstd-dev zlib1g-dev
  # tests and benchmarks
  catch2 libbenchmark-dev librapidcheck-dev kcat zstd curl openssl procps iproute2 python3 python3-yaml systemd
  postgresql chromium fonts-dejavu-core
  "openjdk-17-jdk-headless|openjdk-21-jdk-headless|default-jdk-headless" maven
  # checks of the sources, fuzz targets
  "clang-14|clang" "clang-format-14|clang-format" "clang-tidy-14|clang-tidy" "libclang-rt-14-dev|libclang-rt-dev"
)

# On other systems there is no list of packages, only what has to be there: commands, and headers the compiler can find.
COMMANDS=(g++ cmake ninja make pkg-config git kcat zstd curl openssl python3 java javac mvn)
HEADERS=(
  absl/time/time.h civetweb.h CLI/CLI.hpp tl/expected.hpp fmt/core.h re2/re2.h simdjson.h spdlog/spdlog.h
  xxhash.h yaml-cpp/yaml.h prometheus/counter.h lz4.h sasl/sasl.h openssl/ssl.h zstd.h zlib.h
  rapidcheck.h sqlite3.h postgresql/libpq-fe.h
)

debian_like() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && (
    . /etc/os-release 2>/dev/null
    case " ${ID:-} ${ID_LIKE:-} " in *" debian "* | *" ubuntu "*) exit 0 ;; *) exit 1 ;; esac
  )
}

# Prints the packages to install, one a line.
missing_packages() {
  local installed entry choice found
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
    awk '$1 == "installed" { print $2 }' | tr '\n' ' ')"
  for entry in "${PACKAGES[@]}"; do
    found=""
    for choice in ${entry//|/ }; do
      [[ "$installed" == *" $choice "* ]] && found=1 && break
    done
    [ -n "$found" ] || first_available "$entry"
  done
}

first_available() { # a|b|c
  local choice
  for choice in ${1//|/ }; do
    if [ "$choice" = "$1" ] || apt-cache show --no-all-versions "$choice" >/dev/null 2>&1; then
      printf '%s\n' "$choice"
      return
    fi
  done
  printf '%s\n' "${1%%|*}"
}

has_header() { printf '#include <%s>\n' "$1" | g++ -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; }

# Prints what another system lacks, one a line.
missing_parts() {
  local name
  for name in "${COMMANDS[@]}"; do
    command -v "$name" >/dev/null || printf 'command %s\n' "$name"
  done
  command -v g++ >/dev/null || return 0
  for name in "${HEADERS[@]}"; do
    has_header "$name" || printf 'header  %s\n' "$name"
  done
  has_header catch2/catch.hpp || has_header catch2/catch_all.hpp || printf 'header  catch2\n'
  [ -f "$DEPS/librdkafka/lib/librdkafka.a" ] && return
  name="$(pkg-config --modversion rdkafka 2>/dev/null || echo none)"
  [ "$name" != none ] && rdkafka_acceptable "$name" ||
    printf 'library librdkafka %s or newer, with its headers (found: %s)\n' "$RDKAFKA_MINIMUM" "$name"
}

install_packages() { # packages
  local log="$DEPS/packages.log" root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
      die "these packages have to be installed as root: apt-get install --no-install-recommends $*"
    root=(sudo -n)
  fi
  say install "$# packages (log: ${log#"$ROOT"/})"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 install "$@" >"$log" 2>&1 </dev/null ||
    { tail_of "$log"; die "apt-get install failed"; }
}

# apt's lists of what exists; an old or an absent list makes an installation fail on a package that is there.
update_lists() {
  local log="$DEPS/packages.log" root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" apt-get -q -o Acquire::Retries=3 update >"$log" 2>&1 </dev/null ||
    { tail_of "$log"; die "apt-get update failed"; }
}

setup_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" = 0 ]; then
    say ok "Debian packages (${#PACKAGES[@]})"
    return
  fi
  if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then
    update_lists
    mapfile -t missing < <(missing_packages)
  fi
  install_packages "${missing[@]}"
  say done "Debian packages (${#PACKAGES[@]})"
}
