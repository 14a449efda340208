# Builds librdkafka from Debian's source package of `testing` into build/deps. Sourced by scripts/setup.
#
# Debian's stable releases carry versions that lose or repeat records around rebalances, so the library comes from
# `testing`, through an apt configuration of its own below build/deps/apt: the machine's own sources, lists and
# pinning stay as they are, and apt checks the signatures with Debian's keyring as always.

RDKAFKA_MINIMUM=2.13.2
# Versions that must not be used with transactions, each with its reason. Newer ones are taken until they are listed.
# 2.2 to 2.13.1 misread positions at the end of a partition; they are below the minimum and need no entry.
RDKAFKA_DENIED=""

# What is mended in it, in this order: each patch says why. Their hash is a part of the folder's name, so that others
# are built anew.
RDKAFKA_PATCHES=(
  "$ROOT/scripts/lib/librdkafka-coordinator-timeout.patch"
  "$ROOT/scripts/lib/librdkafka-coordinator-reference.patch"
  "$ROOT/scripts/lib/librdkafka-no-brokers-left.patch"
)

rdkafka_folder() { # version
  printf 'librdkafka-%s-%s' "$1" "$(cat "${RDKAFKA_PATCHES[@]}" | sha256sum | cut -c1-8)"
}

# True when version $1 may be used.
rdkafka_acceptable() {
  local denied
  for denied in $RDKAFKA_DENIED; do
    [ "$1" = "$denied" ] && return 1
  done
  [ "$(printf '%s\n%s\n' "$RDKAFKA_MINIMUM" "$1" | sort -V | head -n 1)" = "$RDKAFKA_MINIMUM" ]
}


# The mirror that this machine uses for its own Debian release. Another system names one in MILLRACE_DEBIAN_MIRROR.
debian_mirror() {
  if [ -n "${MILLRACE_DEBIAN_MIRROR:-}" ]; then
    printf '%s\n' "$MILLRACE_DEBIAN_MIRROR"
    return
  fi
  local codename id
  id="$(. /etc/os-release && printf '%s' "${ID:-}")"
  codename="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")"
  [ "$id" = debian ] || return 0
  apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
    awk -v release="$codename" '$1 == "Packages" && $3 == release && $4 == "main" { print $2; exit }'
}

# Runs an apt tool under the private configuration.
private_apt() { APT_CONFIG="$DEPS/apt/apt.conf" "$@"; }

write_private_apt() { # mirror
  local apt="$DEPS/apt"
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,etc/preferences.d,etc/trusted.gpg.d,etc/sources.list.d}
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  printf 'deb-src [signed-by=%s] %s testing main\n' "$keyring" "$1" >"$apt/etc/sources.list"
  : >"$apt/status"
  # Only the places move; proxies, certificates and the like stay those of the machine, which apt reads first.
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "$apt/etc/sources.list";
Dir::Etc::SourceParts "$apt/etc/sources.list.d";
Dir::Etc::Preferences "$apt/etc/preferences";
Dir::Etc::PreferencesParts "$apt/etc/preferences.d";
Dir::Etc::TrustedParts "$apt/etc/trusted.gpg.d";
Dir::State "$apt";
Dir::State::Lists "$apt/lists";
Dir::State::Status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
}

download_rdkafka() { # folder to unpack below
  local mirror log="$DEPS/apt/log"
  mirror="$(debian_mirror)"
  [ -n "$mirror" ] || die "no Debian mirror known: set MILLRACE_DEBIAN_MIRROR to the address of one"
  write_private_apt "$mirror"
  if ! private_apt apt-get -q update >"$log" 2>&1; then
    tail_of "$log"
    die "cannot read the package lists of Debian testing; if a signature is the reason, upgrade debian-archive-keyring"
  fi
  # A list that fails to verify is only a warning to apt when it has an older one; here it is an error.
  if grep -qE '^(W|E): ' "$log"; then
    tail_of "$log"
    die "the package lists of Debian testing did not come clean"
  fi
  (cd "$1" && private_apt apt-get -q source --only-source librdkafka) >>"$log" 2>&1 ||
    { tail_of "$log"; die "cannot download librdkafka's source package"; }
}

build_rdkafka() {
  local work="$DEPS/librdkafka-build" log="$DEPS/librdkafka.log" source version prefix cc=gcc
  rm -rf "$work"
  mkdir -p "$work"
  download_rdkafka "$work"
  source="$(find "$work" -mindepth 1 -maxdepth 1 -type d -name 'librdkafka-*' | head -n 1)"
  [ -n "$source" ] || die "librdkafka's source package holds no folder librdkafka-*"
  version="$(sed -n 's/^#define RD_KAFKA_VERSION *0x\(..\)\(..\)\(..\).*/0x\1 0x\2 0x\3/p' "$source/src/rdkafka.h")"
  # shellcheck disable=SC2086 # three numbers on purpose
  version="$(printf '%d.%d.%d' $version)"
  rdkafka_acceptable "$version" || die "Debian testing has librdkafka $version, which must not be used"
  say build "librdkafka $version (about a minute; log: ${log#"$ROOT"/})"
  prefix="$DEPS/$(rdkafka_folder "$version")"
  command -v ccache >/dev/null && cc="ccache gcc"
  bundled_parts "$source"
  patch_rdkafka "$source" "$version"
  if ! (
    cd "$source"
    # shellcheck disable=SC2046 # words on purpose
    CC="$cc" CFLAGS="-O2 -g -fPIC -fno-omit-frame-pointer" CXXFLAGS="-O2 -g" ./configure --prefix="$prefix" \
      --enable-ssl --enable-sasl --enable-zstd --enable-lz4-ext --disable-curl $(bundled_options) &&
      make -j"$(nproc)" -C src && make -C src install
  ) >"$log" 2>&1 </dev/null; then
    tail_of "$log"
    die "librdkafka $version does not build"
  fi
  check_rdkafka_features "$source"
  # Only the static library stays, so that no program is linked to a shared one below build/.
  rm -f "$prefix"/lib/librdkafka.so* "$prefix"/lib/librdkafka-static.a
  ln -sfn "$(rdkafka_folder "$version")" "$DEPS/librdkafka"
  printf '%s\n' "$version" >"$prefix/VERSION"
  rm -rf "$work"
}

# A version that a patch does not fit is built without it: what the patch mends may be mended there. If it is not, an
# outage can end the daemon by its watchdog (exit code 7) or last for longer than that of the brokers; nothing is lost.
patch_rdkafka() { # source folder, version
  local each
  for each in "${RDKAFKA_PATCHES[@]}"; do
    if patch -d "$1" -p1 --dry-run --force <"$each" >/dev/null; then
      patch -d "$1" -p1 --force <"$each" >/dev/null
    else
      say note "librdkafka $2 is not as $(basename "$each") expects it, and is built without"
    fi
  done
}

# Debian's patches make the build take cJSON, nanopb and the generated telemetry headers from packages. The sources
# still bundle all three, and with those the build needs three packages less.
bundled_parts() { # source folder
  local part from="$1/src/opentelemetry"
  for part in common metrics resource; do
    [ -f "$from/$part.pb.h" ] || continue
    mkdir -p "$from/proto/$part/v1"
    cp "$from/$part.pb.h" "$from/$part.pb.c" "$from/proto/$part/v1/"
  done
}

bundled_options() { # run in the source folder; configure refuses options that it does not know
  local part
  for part in cjson nanopb; do
    ! grep -q -- "--enable-$part-ext" configure.self || printf -- '--disable-%s-ext ' "$part"
  done
}

# A library without a compression or a security mechanism would only be noticed by the first user who needs it.
check_rdkafka_features() { # source folder
  local want
  for want in WITH_SSL WITH_SASL_CYRUS WITH_SASL_SCRAM WITH_ZSTD WITH_LZ4_EXT WITH_ZLIB; do
    grep -q "^#define $want 1" "$1/config.h" || die "librdkafka was configured without $want"
  done
}

setup_rdkafka() {
  local version="" folder
  [ -f "$DEPS/librdkafka/VERSION" ] && version="$(cat "$DEPS/librdkafka/VERSION")"
  folder="$(rdkafka_folder "$version")"
  if [ -n "$version" ] && rdkafka_acceptable "$version" && [ -f "$DEPS/$folder/lib/librdkafka.a" ] &&
    [ "$(readlink "$DEPS/librdkafka")" = "$folder" ]; then
    say ok "librdkafka $version in build/deps"
    return
  fi
  build_rdkafka
  say done "librdkafka $(cat "$DEPS/librdkafka/VERSION") in build/deps"
}
