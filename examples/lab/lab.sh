#!/bin/bash
# lab.sh: real hosts on one Debian machine. N hosts h1..hN (Debian, systemd as
# PID 1, OpenSSH, an IP address of their own; no Python, no curl, no compiler)
# and svc, which runs PostgreSQL, MariaDB, Redis, HAProxy and nginx.
#
#   lab.sh up [N] [--yes]      bring up svc and h1..hN (default 3); idempotent
#     h1=RELEASE[,SETTING...]  a host of another Debian, with another login shell, sshd,
#                              sudo, /tmp or umask: examples/lab/lib/world.sh has them all
#   lab.sh down [--keep]       take all down, leaving no trace; --keep keeps the hosts' disks
#   lab.sh purge               down, and drop the cached root file systems
#   lab.sh status              what is up
#   lab.sh build [--yes]       only make the cached root file systems
#   lab.sh ssh HOST [CMD...]   run as root on HOST (LAB_USER=ops for another user)
#   lab.sh start|stop|kill HOST...   boot | power off cleanly | cut the power
#   lab.sh wipe HOST...        boot with a fresh disk
#   lab.sh cut|heal HOST...    unplug | replug the network cable
#   lab.sh six HOST...         take its IPv4 address away; heal gives it back
#   lab.sh net HOST|control [delay=25ms] [jitter=5ms] [rate=10mbit] [loss=1%] | clear
#                              shape a cable, values one-way; control is this machine
#   lab.sh db NAME...          drop and create database NAME in PostgreSQL and MariaDB
#   lab.sh flush               empty both Redis instances
#   lab.sh need [PACKAGE...]   install what the lab needs of this machine, and these
#
# --yes, or CI=true, installs missing Debian packages without asking, and for many
# hosts raises fs.inotify.max_user_instances until the last lab is down.
#
# Environment:
#   LAB_DIR    keys, disks and logs of this lab (default: .lab in the repository)
#   LAB_ID     names bridge, cables, namespaces and cgroups (default: lab); labs
#              with different LAB_ID, LAB_NET and LAB_DIR run side by side
#   LAB_NET    first three numbers of its /24 (default: 10.77.0)
#   LAB_CACHE  root file systems, shared between labs (default: .cache/lab)
#   LAB_EXTRA  more packages on every host, comma-separated (python3, for peers that need it)
#   LAB_REBOOT_DELAY  seconds a rebooting host stays off (default 0; read when it boots)
# What `up` was told is remembered in LAB_DIR; the other verbs need LAB_DIR alone.
set -euo pipefail
export LC_ALL=C.UTF-8
SELF=$(readlink -f "$0")
HERE=$(dirname "$SELF")
for part in env need image release world extra net host svc; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

usage() { sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//;p}' "$SELF"; }

# in_parallel FUNCTION HOST...: all at once; fails when one of them fails.
in_parallel() {
  local f=$1 h p bad=0 pids=()
  shift
  for h; do "$f" "$h" 9>&- & pids+=($!); done
  for p in "${pids[@]}"; do wait "$p" || bad=1; done
  return $bad
}

lock() { # one `up`, `down` or `purge` of this lab at a time
  exec 9>"$D/.lock"
  flock -n 9 || { say "waiting for another lab.sh of this lab"; flock 9; }
}

cmd_up() {
  local n h all=() t0=$EPOCHREALTIME
  n=$(world_args "$@") || exit 1
  n=${n:-3}
  [[ $n =~ ^[0-9]+$ ]] && [ "$n" -ge 1 ] && [ "$n" -le 40 ] || die "up: the number of hosts is 1 to 40, not '$n'"
  lock
  need
  need_watches $((n + 1))
  claim
  build_images
  world_images
  all=(svc); for ((h = 1; h <= n; h++)); do all+=("h$h"); done
  write_env
  write_hosts "${all[@]}"
  net_up
  for h in $(hosts_left); do
    case " ${all[*]} " in *" $h "*) ;; *) host_drop "$h" ;; esac
  done
  for h in "${all[@]}"; do host_keys "$h"; done
  write_ssh_files "${all[@]}"
  for h in "${all[@]}"; do
    if disk_other "$h"; then host_kill "$h"; fi # it is to be another host than it was
  done
  in_parallel host_up "${all[@]}" || die "not every host came up; logs: $D/logs"
  svc_balancers
  say "up in $(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.1f", b-a}') s: $(hosts_known | wc -l) hosts; try: ssh -F $R/ssh_config h1"
}

cmd_down() {
  local keep=${1:-} h left
  lock
  relays_stop
  if [ "$keep" = --keep ]; then
    mapfile -t left < <(hosts_left)
    in_parallel host_stop "${left[@]}" || true
  fi
  for h in $(hosts_left); do
    if [ "$keep" = --keep ]; then host_unplug "$h"; else host_drop "$h"; fi
  done
  net_down
  cg_down
  watches_back
  if [ "$keep" != --keep ]; then rm -rf "$R"; fi
  say "down"
}

cmd_purge() {
  cmd_down
  if grep -q "lowerdir=[^ ]*$C/" /proc/mounts; then
    say "$C stays: another lab runs on it"
  else
    rm -rf "$C"
  fi
  rm -rf "$D/logs" "$K" "$D/.lock" "$D"/test-*.lock "$D/secrets" "$D/releases" "$D/inventory.yaml" # the last three are the demo's
  rmdir "$D" 2>/dev/null || true
}

cmd_status() {
  local h state
  for h in $(hosts_known); do
    state=off
    if supervised "$h"; then state=up; fi
    echo "$h $(ip_of "$h") $state"
  done
}

verb=${1:-}
[ -n "$verb" ] || { usage; exit 2; }
shift
args=()
for a; do
  case $a in --yes) YES=1 ;; *) args+=("$a") ;; esac
done
if [ "$verb" = ssh ]; then args=("$@"); else set -- "${args[@]}"; fi
case $verb in -h | --help | help) usage; exit 0 ;; esac
preflight
refuse_others
mkdir -p "$D/logs" "$K" "$R" "$C"

case $verb in
  __host) host_loop "$1" ;; # the supervisor of one host, started by host_up
  up) cmd_up "$@" ;;
  down) cmd_down "$@" ;;
  purge) cmd_purge ;;
  build) need; build_images ;;
  need) need "$@" ;;
  status) cmd_status ;;
  ssh)
    h=$1; shift
    exec ssh "${SSH_OPTS[@]}" "${LAB_USER:-root}@$(ip_of "$h")" "$@"
    ;;
  start) net_up; in_parallel host_up "$@" ;;
  stop) in_parallel host_stop "$@" ;;
  kill) in_parallel host_kill "$@" ;;
  wipe) in_parallel host_wipe "$@" ;;
  cut) for h; do ip link set "$(cable "$h")" down; done ;;
  heal) for h; do ip link set "$(cable "$h")" up; cable_address "$h"; done ;;
  six) for h; do ip -n "$(netns "$h")" -4 addr flush dev eth0; done ;;
  net) net_shape "$@" ;;
  db) svc_db "$@" ;;
  flush) svc_flush ;;
  *) die "unknown verb '$verb'; lab.sh alone prints them" ;;
esac
