#!/bin/bash
# demo.sh: from nothing to a highly available Grafana on three real hosts, in
# one command. `make demo` runs it; --yes installs missing packages unasked.
# GHADEPLOY_GRAFANA_DIR=folder deploys the newest Grafana tarball found there in
# place of the stand-in, which is a small server with Grafana's outside.
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")")
cd "$HERE/../.."
export LAB_DIR=${LAB_DIR:-$PWD/.lab}
NET=${LAB_NET:-10.77.0}
INVENTORY=examples/lab/inventory.yaml
VERSION=$(sed -n 's/^  version: //p' "$INVENTORY")
STEP=start
T0=$EPOCHREALTIME

seconds() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}'; }
step() { # step NAME COMMAND...: with a headline before and the time after
  local t=$EPOCHREALTIME
  STEP=$1
  shift
  printf '\n== %s\n' "$STEP" >&2
  "$@"
  printf '== %s: %s s\n' "$STEP" "$(seconds "$t")" >&2
}
failed() {
  local rc=$?
  [ $rc = 0 ] || printf '\ndemo: failed at "%s" after %s s. Logs: %s/logs; a look inside: examples/lab/lab.sh ssh h1 journalctl -b\nRunning it again continues; to stop: make lab-down\n' \
    "$STEP" "$(seconds "$T0")" "$LAB_DIR" >&2
}
trap failed EXIT

build() { make -s build; }

# release puts the tarball where the inventory looks for it, and sets VERSION.
release() {
  local tarball newest
  if [ -n "${GHADEPLOY_GRAFANA_DIR:-}" ]; then
    newest=$(find "$GHADEPLOY_GRAFANA_DIR" -maxdepth 1 -name "grafana-*.linux-$(go env GOARCH).tar.gz" -printf '%f\n' | sort -V | tail -n 1)
    [ -n "$newest" ] || { echo "demo: no grafana-VERSION.linux-$(go env GOARCH).tar.gz in $GHADEPLOY_GRAFANA_DIR" >&2; return 1; }
    VERSION=${newest#grafana-}
    VERSION=${VERSION%.linux-*}
  fi
  tarball=$(go run ./internal/labtest/release -version "$VERSION")
  mkdir -p "$LAB_DIR/releases"
  ln -sfn "$tarball" "$LAB_DIR/releases/$(basename "$tarball")"
  echo "Grafana $VERSION from $tarball" >&2
}

secret() { # secret NAME [VALUE]: a file only root can read; made up once unless given
  local f=$LAB_DIR/secrets/$1
  [ -s "$f" ] || (umask 077 && mkdir -p "$LAB_DIR/secrets" && echo "${2:-$(head -c 18 /dev/urandom | base64 | tr -d '/+=')}" >"$f")
}

# inventory: the committed one, unless this lab or the release is another.
inventory() {
  secret secret_key
  secret admin_password
  secret db_password grafana
  if [ "$LAB_DIR" != "$PWD/.lab" ] || [ "$NET" != 10.77.0 ] || ! grep -q "^  version: $VERSION\$" "$INVENTORY"; then
    sed "s#\.\./\.\./\.lab/#./#g; s#10\.77\.0\.#$NET.#g; s#^  version: .*#  version: $VERSION#" "$INVENTORY" >"$LAB_DIR/inventory.yaml"
    INVENTORY=$LAB_DIR/inventory.yaml
  fi
}

# http ADDRESS PORT METHOD PATH [COOKIE] [BODY]: the response, head and all. No
# curl: the machine may have none, and a password does not belong in argv.
http() {
  local reply
  exec 3<>"/dev/tcp/$1/$2"
  printf '%s %s HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s' \
    "$3" "$4" "$1" "${5:-}" "$(printf %s "${6:-}" | wc -c)" "${6:-}" >&3
  reply=$(timeout 10 cat <&3 | tr -d '\r')
  exec 3>&-
  printf '%s\n' "$reply"
}

# session logs in once through the balancer and shows the cookie to every node.
session() {
  local cookie at h i up=0
  for ((i = 0; i < 60; i++)); do # the balancer's own checks take a second or two
    up=$(http "$NET.10" 8404 GET '/;csv' | awk -F, '$1 == "lab_grafana" && $2 ~ /^h/ && $18 == "UP"' | wc -l)
    [ "$up" -lt 3 ] || break
    sleep .25
  done
  echo "HAProxy: $up of 3 nodes up" >&2
  [ "$up" = 3 ]
  cookie=$(http "$NET.10" 80 POST /login '' "{\"user\":\"admin\",\"password\":\"$(cat "$LAB_DIR/secrets/admin_password")\"}" |
    sed -n 's/^[Ss]et-[Cc]ookie: \(grafana_session=[^;]*\).*/\1/p')
  cookie=${cookie%%$'\n'*}
  [ -n "$cookie" ] || { echo "demo: no session from POST http://$NET.10/login" >&2; return 1; }
  for h in "$NET.10 80" "$NET.11 3000" "$NET.12 3000" "$NET.13 3000"; do
    # shellcheck disable=SC2086
    at=$(http $h GET /api/user "$cookie")
    at=${at%%$'\n'*} # not through head: it may end before all is written, which counts as a failure
    echo "the session on http://${h/ /:}/api/user: ${at#* }" >&2
    [[ $at == *" 200 "* ]] || return 1
  done
}

step "build ghadeploy" build
step "release" release
step "lab: three hosts and services" "$HERE/lab.sh" up 3 "$@"
inventory
step "ghadeploy apply" bin/ghadeploy apply "$INVENTORY" --yes
step "ghadeploy status" bin/ghadeploy status "$INVENTORY"
step "one session on every node" session

cat <<END

Grafana $VERSION runs on h1, h2 and h3 behind HAProxy, after $(seconds "$T0") s.
  look:    http://$NET.10/  (from this machine; from elsewhere: ssh -L 8080:$NET.10:80 THIS-MACHINE, then http://localhost:8080/)
  log in:  admin, password in $LAB_DIR/secrets/admin_password
  balancer: http://$NET.10:8404/
  go on:   bin/ghadeploy --help; the inventory is $INVENTORY
  a host:  examples/lab/lab.sh ssh h1
  stop:    make lab-down
END
