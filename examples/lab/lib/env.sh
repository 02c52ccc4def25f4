# shellcheck shell=bash disable=SC2034  # sourced by lab.sh; the names are used in the other parts
# Where things lie and what they are called. All names on this machine derive
# from LAB_ID, so that several labs run side by side.

REPO=$(cd "$HERE/../.." && pwd)
D=$(readlink -m "${LAB_DIR:-$REPO/.lab}")
R=$D/run  # disks, hosts, known_hosts, ssh_config: gone after `down`
K=$D/keys # the operator's key and every host's: kept, so that known_hosts stays true

say() { echo "lab: $*" >&2; }
die() { say "$*"; exit 1; }

# what `up` was told, so that the other verbs need LAB_DIR alone
saved() { if [ -f "$R/lab.env" ]; then sed -n "s/^$1=//p" "$R/lab.env"; fi; }
ID=${LAB_ID:-$(saved LAB_ID)}; ID=${ID:-lab}
NET=${LAB_NET:-$(saved LAB_NET)}; NET=${NET:-10.77.0}
C=${LAB_CACHE:-$(saved LAB_CACHE)}; C=$(readlink -m "${C:-$REPO/.cache/lab}")
EXTRA=${LAB_EXTRA:-$(saved LAB_EXTRA)}
BASE=$(saved BASE) # the root file systems this lab was brought up with
SVC=$(saved SVC)

# 8 characters leave room for "-h40.u" within the kernel's 15 for an interface
[[ $ID =~ ^[a-z][a-z0-9]{0,7}$ ]] || die "LAB_ID is 1 to 8 of a-z and 0-9, a letter first, not '$ID'"
[[ $NET =~ ^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$ ]] || die "LAB_NET is three numbers as in 10.77.0, not '$NET'"

BRIDGE=$ID-br
CGROUP=ghadeploy-$ID
ALIAS="ghadeploy lab in $D" # on the bridge: whose it is
cable() { ip_of "$1" >/dev/null && echo "$ID-$1"; }
netns() { echo "ghadeploy-$ID-$1"; }
machine() { echo "$ID-$1"; }

# control is .1, svc .10, hN .(10+N)
ip_of() {
  case $1 in
    svc) echo "$NET.10" ;;
    control) echo "$NET.1" ;;
    h[1-9] | h[1-3][0-9] | h40) echo "$NET.$((10 + ${1#h}))" ;;
    *) die "no such host: '$1'" ;;
  esac
}

# ip6_of HOST: the same in IPv6, in a network of the lab's own: fd81:52::b for 10.82.0.11,
# written as known_hosts has it: no zero is left that :: stands for
ip6_of() {
  local v4 a b c d
  v4=$(ip_of "$1") || return
  IFS=. read -r a b c d <<<"$v4"
  if [ "$c" = 0 ]; then printf 'fd81:%x::%x\n' "$b" "$d"; else printf 'fd81:%x:%x::%x\n' "$b" "$c" "$d"; fi
}

SSH_OPTS=(-F none -i "$K/id_ed25519" -o BatchMode=yes -o ConnectTimeout=2 -o LogLevel=ERROR
  -o UserKnownHostsFile="$R/known_hosts" -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes)

write_env() {
  printf '%s\n' "LAB_ID=$ID" "LAB_NET=$NET" "LAB_CACHE=$C" "LAB_EXTRA=$EXTRA" "BASE=$BASE" "SVC=$SVC" >"$R/lab.env.new"
  mv "$R/lab.env.new" "$R/lab.env"
}

# hosts_known: what `up` was asked for. hosts_left: what may still have a disk,
# a namespace or a cgroup, also after a run that was killed half way.
hosts_known() { if [ -f "$R/hosts" ]; then awk -v n="$NET" '$1 ~ "^"n && $2 != "control" {print $2}' "$R/hosts"; fi; }
hosts_left() {
  {
    find "$R" -mindepth 2 -maxdepth 2 -name root -printf '%h\n' 2>/dev/null | sed 's#.*/##'
    ip netns list 2>/dev/null | awk -v p="$(netns '')" 'index($1, p) == 1 {print substr($1, length(p) + 1)}'
    cg_hosts
  } | grep -E '^(svc|h[0-9]+)$' | sort -u -V || true
}

write_hosts() { # /etc/hosts of every host
  local h
  {
    echo "127.0.0.1 localhost"
    echo "::1 localhost ip6-localhost ip6-loopback"
    echo "$NET.1 control"
    for h; do echo "$(ip_of "$h") $h"; done
  } >"$R/hosts"
}

write_ssh_files() { # known_hosts and ssh_config, for people and for the tool under test
  local h f
  for h; do
    for f in "$K/host/$h"/etc/ssh/*.pub; do echo "$(ip_of "$h"),$(ip6_of "$h"),$h $(cut -d' ' -f1,2 "$f")"; done
  done >"$R/known_hosts"
  for h; do
    printf 'Host %s\n  HostName %s\n  User root\n  IdentityFile %s\n  UserKnownHostsFile %s\n' \
      "$h" "$(ip_of "$h")" "$K/id_ed25519" "$R/known_hosts"
  done >"$R/ssh_config"
}
