# shellcheck shell=bash
# One bridge a lab, one cable (a veth pair) and one network namespace a host.
# Nothing is routed beyond the bridge: the hosts have no way out.

net_up() {
  # Kept while the lab is up: a packet for a host that is off must not leave by the default route.
  ip route replace unreachable "$NET.0/24" metric 4096
  if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
    ip link add "$BRIDGE" address 02:77:00:00:00:01 type bridge
  fi
  ip link set "$BRIDGE" alias "$ALIAS" up
  if ! ip link show "$ID-ctl.d" >/dev/null 2>&1; then ip addr replace "$NET.1/24" dev "$BRIDGE"; fi
  # Not everywhere is IPv6: its tests are skipped then.
  ip addr replace "$(ip6_of control)/64" dev "$BRIDGE" nodad 2>/dev/null || true
  echo 0 >"/proc/sys/net/ipv4/conf/$BRIDGE/forwarding"
  # and not onwards, should this machine be a router
  grep -q "iif $BRIDGE " <<<"$(ip rule list)" || ip rule add iif "$BRIDGE" unreachable pref 770
}

net_down() {
  local l
  for l in $(ip -o link show | awk -F'[ :@]+' '{print $2}' | grep -E "^$ID-((h[0-9]+|svc|ctl)(\.[udt])?|br)$"); do
    ip link del "$l" 2>/dev/null || true
  done
  while ip rule del iif "$BRIDGE" pref 770 2>/dev/null; do :; done
  ip route del unreachable "$NET.0/24" metric 4096 2>/dev/null || true
  # what `ip netns` mounted for itself, when no one else has a namespace there
  if mountpoint -q /run/netns && [ -z "$(ls -A /run/netns)" ]; then umount /run/netns && rmdir /run/netns; fi
  return 0
}

cable_address() { # cable_address HOST: its IPv4, and the way out
  local n
  n=$(netns "$1")
  ip -n "$n" addr replace "$(ip_of "$1")/24" dev eth0
  ip -n "$n" route replace default via "$NET.1"
}

cable_up() { # cable_up HOST: namespace and cable, plugged in
  local h=$1 v n
  v=$(cable "$h") n=$(netns "$h")
  [ -e "/run/netns/$n" ] || ip netns add "$n"
  ip netns exec "$n" true 2>/dev/null || { ip netns del "$n"; ip netns add "$n"; } # the name outlived its namespace
  if ! ip link show "$v" >/dev/null 2>&1; then
    ip link add "$v" type veth peer name eth0 address "$(printf 02:77:00:00:01:%02x "$(ip_of "$h" | cut -d. -f4)")" netns "$n"
    ip -n "$n" link set lo up
    ip -n "$n" link set eth0 up
    cable_address "$h"
    ip -n "$n" addr add "$(ip6_of "$h")/64" dev eth0 nodad 2>/dev/null || true
    ip link set "$v" master "$BRIDGE"
  fi
  ip link set "$v" up
}

# ---- a slow or lossy cable: labnet, a relay in Go between two TAP devices ------
labnet() { # builds it when it is not there; prints its path
  local src=$HERE/labnet bin=$C/labnet
  if [ ! -x "$bin" ] || [ "$src/main.go" -nt "$bin" ]; then
    (cd "$src" && go build -o "$bin" .) || die "building labnet needs Go"
  fi
  echo "$bin"
}

relay_stop() { # relay_stop HOST|ctl
  local f=$R/net-$1.pid p
  p=$(cat "$f" 2>/dev/null) || return 0
  if grep -q "$ID-$1.u" "/proc/$p/cmdline" 2>/dev/null; then kill "$p"; fi # the number may be another's by now
  rm -f "$f"
}
relays_stop() {
  local f
  for f in "$R"/net-*.pid; do
    [ -e "$f" ] || continue
    f=${f##*/net-}
    relay_stop "${f%.pid}"
  done
}

tap() { # tap NAME: made unless it is there, and up
  ip link show "$1" >/dev/null 2>&1 || ip tuntap add "$1" mode tap
  ip link set "$1" txqueuelen 10000 up
}

net_shape() { # net_shape HOST|control [k=v...|clear]
  local h=$1 a b args=()
  shift
  ip_of "$h" >/dev/null
  [ "$h" != control ] || h=ctl
  relay_stop "$h"
  if [ $# = 0 ] || [ "$1" = clear ]; then
    net_straight "$h"
  else
    for a; do
      case $a in delay=* | jitter=* | rate=* | loss=* | queue=*) args+=("-${a%%=*}" "${a#*=}") ;; *) die "net: what is '$a'?" ;; esac
    done
    a=$(labnet)
    tap "$ID-$h.u"
    ip link set "$ID-$h.u" master "$BRIDGE"
    net_detour "$h"
    b=$ID-$h.t
    [ "$h" != ctl ] || b=$ID-ctl.d
    setsid "$a" -a "$ID-$h.u" -b "$b" "${args[@]}" </dev/null >"$D/logs/net-$h.log" 2>&1 &
    echo $! >"$R/net-$h.pid"
  fi
  for a in $(hosts_known); do ip -n "$(netns "$a")" neigh flush all; done
  ip neigh flush to "$NET.0/24"
}

net_detour() { # the cable's far end moves behind the relay
  local h=$1 dn=$ID-$1.d
  if [ "$h" = ctl ]; then # this machine's own address
    tap "$dn"
    ip link set "$dn" address 02:77:00:00:00:02
    echo 0 >"/proc/sys/net/ipv4/conf/$dn/forwarding"
    ip addr del "$NET.1/24" dev "$BRIDGE" 2>/dev/null || true
    ip addr replace "$NET.1/24" dev "$dn"
    ip route replace unreachable "$NET.0/24" metric 4096
    return
  fi
  ip link show "$dn" >/dev/null 2>&1 || ip link add "$dn" type bridge # a bridge of its own
  ip link set "$dn" up
  tap "$ID-$h.t"
  ip link set "$ID-$h.t" master "$dn"
  ip link set "$(cable "$h")" master "$dn"
}

net_straight() { # back to the lab's bridge
  local h=$1 l
  if [ "$h" = ctl ]; then
    ip link del "$ID-ctl.d" 2>/dev/null || true
    ip addr replace "$NET.1/24" dev "$BRIDGE"
  else
    ip link set "$(cable "$h")" master "$BRIDGE"
  fi
  for l in d t u; do ip link del "$ID-$h.$l" 2>/dev/null || true; done
}
