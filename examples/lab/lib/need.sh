# shellcheck shell=bash
# What the lab needs of this machine, and whose the lab's names are.

YES=${YES:-}
if [ "${CI:-}" = true ]; then YES=1; fi

preflight() {
  [ "$(uname -s)" = Linux ] || die "needs Linux: the hosts are systemd-nspawn containers. Use a Debian 12 machine or virtual machine"
  [ "$(id -u)" = 0 ] || die "needs root, for network namespaces, mounts and cgroups. Type: sudo $SELF ${verb:-up}"
  command -v apt-get >/dev/null && [ -e /etc/debian_version ] ||
    die "needs Debian 12 or newer: the hosts are built with its packages. Use a Debian 12 machine or virtual machine"
  # cgroup.kill, which cuts a host's power, is newer than the rest
  [ -n "$(cg2)" ] || die "needs cgroup2; type: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
}

missing_packages() { # missing_packages [PACKAGE...]: the lab's own, and these
  local p
  command -v systemd-nspawn >/dev/null || echo systemd-container
  command -v mmdebstrap >/dev/null || echo mmdebstrap
  command -v ip >/dev/null || echo iproute2
  command -v ssh >/dev/null || echo openssh-client
  for p; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
  done
}

# need [PACKAGE...] installs what is missing: after asking, or with --yes.
need() {
  local w answer
  mapfile -t w < <(missing_packages "$@")
  [ ${#w[@]} -gt 0 ] || return 0
  if [ -z "$YES" ]; then
    [ -t 0 ] || die "missing packages: ${w[*]}. Type: apt-get install --no-install-recommends ${w[*]} (or give --yes)"
    read -r -p "lab: install the Debian packages ${w[*]} with apt-get? [y/N] " answer
    case $answer in y | Y | yes) ;; *) die "not installed; nothing was changed" ;; esac
  fi
  say "apt-get install ${w[*]}"
  {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${w[@]}"
  } </dev/null >"$D/logs/apt.log" 2>&1 || die "apt-get failed: $D/logs/apt.log"
}

# Every systemd, its dbus and its users' managers watch with inotify, which root
# may do 128 times on a machine: enough for the demo and `make test`, not for a
# lab of 12 or three labs at once. Hosts that find none left boot and never answer.
INOTIFY=/proc/sys/fs/inotify/max_user_instances
INOTIFY_WAS=/run/ghadeploy-lab.inotify

need_watches() { # need_watches HOSTS: raised for so many more hosts, after asking or with --yes
  local have want answer
  have=$(cat $INOTIFY)
  want=$((40 + 14 * ($1 + $(labs_hosts))))
  [ "$have" -lt "$want" ] || return 0
  if [ -z "$YES" ]; then
    [ -t 0 ] || die "fs.inotify.max_user_instances is $have, and these hosts need $want. Type: sysctl -w fs.inotify.max_user_instances=$want (or give --yes)"
    read -r -p "lab: raise fs.inotify.max_user_instances from $have to $want while labs run? [y/N] " answer
    case $answer in y | Y | yes) ;; *) die "not raised; nothing was changed" ;; esac
  fi
  say "fs.inotify.max_user_instances: $have -> $want, until the last lab is down"
  [ -e $INOTIFY_WAS ] || echo "$have" >$INOTIFY_WAS
  echo "$want" >$INOTIFY
}

labs_hosts() { # how many hosts other labs on this machine have up
  find "$(cg2)" -mindepth 2 -maxdepth 2 -type d -path '*/ghadeploy-*' ! -path "*/$CGROUP/*" 2>/dev/null | wc -l
}

watches_back() { # as it was, once no lab needs more
  if [ -e $INOTIFY_WAS ] && [ "$(labs_hosts)" = 0 ]; then
    cat $INOTIFY_WAS >$INOTIFY
    rm -f $INOTIFY_WAS
  fi
}

# others prints the folder of the lab that holds our LAB_ID, when it is not us.
others() {
  local alias
  alias=$(cat "/sys/class/net/$BRIDGE/ifalias" 2>/dev/null) || return 1
  [ "$alias" != "$ALIAS" ] && echo "${alias#ghadeploy lab in }"
}

refuse_others() { # a lab of our LAB_ID that runs from another folder is not ours to touch
  local other h i
  other=$(others) || return 0
  for h in $(cg_hosts); do
    for ((i = 0; i < 20; i++)); do # what was killed just now takes a moment
      cg_populated "$h" || continue 2
      sleep .1
    done
    die "a lab called '$ID' runs in $other. Stop it (LAB_DIR=$other $SELF down) or give this one another LAB_ID and LAB_NET"
  done
}

# claim makes sure that LAB_ID and LAB_NET are ours, and clears what a dead lab
# left in another folder (a clone that was deleted, say).
claim() {
  local dev other h
  dev=$(ip -o -4 addr show to "$NET.0/24" | awk -v b="$BRIDGE" -v c="$ID-ctl.d" '$2 != b && $2 != c {print $2; exit}')
  [ -z "$dev" ] || die "$NET.0/24 is taken by $dev on this machine. Give this lab another network: LAB_NET=10.78.0"
  other=$(others) || return 0
  say "clearing what a lab in $other left"
  for h in $(hosts_left); do host_unplug "$h"; done
  awk -v d="$other/run/" 'index($2, d) == 1 {print $2}' /proc/mounts | xargs -r -n 1 umount -l
  net_down
}
