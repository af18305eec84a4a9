#!/usr/bin/env bash
# Installs everything the build and the tests need on Debian 12, as root or through sudo. Asks nothing;
# a run that finds everything in place takes about a second.
#
#   deploy/deps.sh            build and test dependencies
#   deploy/deps.sh --build    only what the release binary needs
#
# civetweb and libcurl are built as static libraries from Debian's own source packages: the packaged civetweb has
# no IPv6, no unix sockets and a TLS that crashes; the packaged libcurl brings 30 libraries no HTTP client needs.
# They land in $KTHENA_DEPS_DIR (default /usr/local/lib/kthena-deps), one directory for each version and recipe.
set -euo pipefail

deps_dir=${KTHENA_DEPS_DIR:-/usr/local/lib/kthena-deps}
keyring=/usr/share/keyrings/debian-keyring.gpg

build_packages=(
  ca-certificates cmake debian-keyring dpkg-dev g++ gcc git gpgv libc6-dev libcjson-dev libdeflate-dev libexpat1-dev
  libluajit-5.1-dev libssl-dev libxxhash-dev libyaml-dev libzstd-dev lua-cjson-dev make ninja-build pkg-config
  zlib1g-dev
)
test_packages=(
  awscli clang-14 clang-format-14 clang-tidy-14 curl iproute2 libcivetweb-dev libclang-rt-14-dev libcmocka-dev
  libcurl4-openssl-dev libfuzzer-14-dev lua-busted lua-check lua-dkjson lua-posix lua-socket lua-system luajit memcached
  mount netcat-openbsd nginx-light openssl procps prometheus python3 python3-prometheus-client rsync strace
  swift-account swift-container swift-object swift-proxy wrk
)

civetweb_recipe=(
  -DBUILD_SHARED_LIBS=OFF -DCIVETWEB_ENABLE_IPV6=ON -DCIVETWEB_DISABLE_CGI=ON -DCIVETWEB_SERVE_NO_FILES=ON
  -DCIVETWEB_DISABLE_CACHING=ON -DCIVETWEB_BUILD_TESTING=OFF -DCIVETWEB_ENABLE_SERVER_EXECUTABLE=OFF
  -DCIVETWEB_ENABLE_SSL=ON -DCIVETWEB_ENABLE_SSL_DYNAMIC_LOADING=OFF -DCIVETWEB_SSL_OPENSSL_API_1_1=ON
  -DCIVETWEB_ENABLE_ASAN=OFF
  "-DCMAKE_C_FLAGS=-DUSE_X_DOM_SOCKET -DSOCKET_TIMEOUT_QUANTUM=200 -DUSE_STACK_SIZE=262144 -O2"
)
curl_recipe=(
  -DBUILD_SHARED_LIBS=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DHTTP_ONLY=ON -DCURL_USE_OPENSSL=ON
  -DCURL_ZLIB=ON -DCURL_ZSTD=ON -DCURL_BROTLI=OFF -DUSE_NGHTTP2=OFF -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF
  -DCURL_USE_LIBSSH2=OFF -DCURL_USE_GSSAPI=OFF -DCURL_CA_PATH=/etc/ssl/certs
  -DCURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
  -DCMAKE_C_FLAGS=-DCURL_MAX_WRITE_SIZE=524288 # a download's receive buffer is written to its file in one piece
)

say() { printf 'deps: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" || sudo "$@"; fi
}

install_packages() {
  local missing=() package installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
  for package in "$@"; do
    grep -qxF "$package" <<<"$installed" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  # Daemons that come with test packages (nginx, prometheus) must not start: the tests run their own.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    # shellcheck disable=SC2064
    trap "$(declare -f as_root); as_root rm -f '$policy'" EXIT
  fi
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# fetch_source PACKAGE DIR: downloads a source package with a private apt configuration made from the machine's own
# Debian entries, checks the signature of its .dsc, and unpacks it into DIR/PACKAGE.
fetch_source() {
  local package=$1 dir=$2
  if [ ! -f "$dir/sources.list" ]; then
    mkdir -p "$dir/lists/partial"
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
      awk '$1 == "Debian" { print "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", $2, $3, $4 }' \
        >"$dir/sources.list"
    [ -s "$dir/sources.list" ] || fail "apt knows no Debian archive; add Debian 12 to /etc/apt/sources.list"
    apt_source "$dir" update
  fi
  (cd "$dir" && apt_source "$dir" source --download-only "$package")
  local dsc=("$dir/${package}"_*.dsc)
  gpgv --quiet --keyring "$keyring" "${dsc[0]}" 2>"$dir/gpgv.log" ||
    fail "the signature of ${dsc[0]##*/} is not of a Debian developer: $(tr '\n' ' ' <"$dir/gpgv.log")"
  dpkg-source --no-check -x "${dsc[0]}" "$dir/$package" >/dev/null
}

apt_source() {
  local dir=$1
  shift
  apt-get -qq -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$dir/lists" \
    -o APT::Sandbox::User=root "$@" >/dev/null
}

# build_static PACKAGE NAME OPTION...: builds a static library from Debian's source package unless this version, built
# this way, is there. $deps_dir/NAME then points at it.
build_static() {
  local package=$1 name=$2 version recipe target
  shift 2
  version=$(apt-cache policy "$package" 2>/dev/null |
    awk '$1 == "Candidate:" && $2 != "(none)" { print $2; exit }')
  recipe=$(printf '%s\n' "$@" | sha256sum | cut -c1-12)
  target=$deps_dir/$name-${version:-unknown}-$recipe
  if [ ! -f "$target/.complete" ]; then
    say "building $name from Debian's source package"
    local work
    work=$(mktemp -d)
    fetch_source "$package" "$work"
    { cmake -S "$work/$package" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$target" \
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON "$@" &&
      cmake --build "$work/build"; } >"$work/log" 2>&1 || { tail -40 "$work/log" >&2; fail "building $name failed"; }
    as_root cmake --install "$work/build" >"$work/log" 2>&1 || { tail -40 "$work/log" >&2; fail "installing $name failed"; }
    as_root touch "$target/.complete"
    rm -rf "$work"
  fi
  [ "$(readlink "$deps_dir/$name" 2>/dev/null)" = "$target" ] || as_root ln -sfn "$target" "$deps_dir/$name"
}

[ -r /etc/debian_version ] || fail "this script is for Debian 12; on another system install the packages it lists by hand"
case ${1:-} in
  --build) install_packages "${build_packages[@]}" ;;
  '') install_packages "${build_packages[@]}" "${test_packages[@]}" ;;
  *) fail "unknown argument '$1'; the only one is --build" ;;
esac
as_root mkdir -p "$deps_dir"
build_static civetweb civetweb "${civetweb_recipe[@]}"
build_static curl curl "${curl_recipe[@]}"
