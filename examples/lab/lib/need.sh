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

missing_packages() {
  command -v systemd-nspawn >/dev/null || echo systemd-container
  command -v mmdebstrap >/dev/null || echo mmdebstrap
  command -v ip >/dev/null || echo iproute2
  command -v ssh >/dev/null || echo openssh-client
}

# need installs the missing Debian packages: after asking, or with --yes.
need() {
  local w answer
  mapfile -t w < <(missing_packages)
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

# claim makes sure that LAB_ID and LAB_NET are ours: another lab that runs is
# an error, what a dead one left (a clone that was deleted, say) is cleared.
claim() {
  local dev alias other h
  dev=$(ip -o -4 addr show to "$NET.0/24" | awk -v b="$BRIDGE" -v c="$ID-ctl.d" '$2 != b && $2 != c {print $2; exit}')
  [ -z "$dev" ] || die "$NET.0/24 is taken by $dev on this machine. Give this lab another network: LAB_NET=10.78.0"
  alias=$(cat "/sys/class/net/$BRIDGE/ifalias" 2>/dev/null) || return 0
  [ "$alias" != "$ALIAS" ] || return 0
  other=${alias#ghadeploy lab in }
  for h in $(cg_hosts); do
    if cg_populated "$h"; then
      die "a lab called '$ID' runs already, in $other. Stop it (LAB_DIR=$other $SELF down) or give this one another LAB_ID and LAB_NET"
    fi
  done
  say "clearing what a lab in $other left"
  relays_stop
  for h in $(cg_hosts; ip netns list | awk -v p="$(netns '')" 'index($1, p) == 1 {print substr($1, length(p) + 1)}'); do host_unplug "$h"; done
  awk -v d="$other/run/" 'index($2, d) == 1 {print $2}' /proc/mounts | xargs -r -n 1 umount -l
  net_down
}
