# Reads what the checks of a host need, one "name<TAB>value" a line, and writes
# nothing that lasts: the unit on standard input is verified in /run and removed.
# Arguments: root data etc state service user logs
root=$1 data=$2 etc=$3 state=$4 service=$5 user=$6 logs=$7 releases=$1/releases
fact() { printf '%s\t%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
fact clock "$(date +%s.%N)"
fact uid "$(id -u)"
# Nobody was asked to become root: the login is root by its number.
[ -n "${SUDO_UID:-}${DOAS_USER:-}" ] || fact login 0
fact arch "$(uname -m)"
fact os "$(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-$(uname -s)}")"
fact init "$(cat /proc/1/comm 2>/dev/null)"
fact systemd "$(systemctl --version 2>/dev/null | awk 'NR==1{print $2}')"
for tool in tar gzip sha256sum flock systemctl useradd readlink mktemp; do has "$tool" || fact missing "$tool"; done
has bash && fact bash yes
for tool in pg_dump pg_restore psql mysqldump mariadb-dump mysql mariadb; do has "$tool" && fact dump-tool "$tool"; done
has pg_dump && fact pg-dump "$(pg_dump --version 2>/dev/null)"
has systemd-socket-activate && fact listener yes
# The nearest folder that exists is where the space will be taken; each may be a
# mount of its own. A folder that two share is asked once: a busy host pays for each program.
asked=
for kind in root releases data state logs; do
  eval "dir=\$$kind"
  while [ ! -d "$dir" ]; do dir=${dir%/*}; [ -n "$dir" ] || dir=/; done
  if [ "$dir" != "$asked" ]; then
    asked=$dir
    disk=$(df -Pk "$dir" | awk 'NR==2{print $4, $6}')
    inodes=$(df -Pi "$dir" 2>/dev/null | awk 'NR==2{print $2, $4}')
    mount=$(awk -v d="${disk#* }" '$2==d{o=$4} END{print o}' /proc/mounts)
  fi
  fact "disk-$kind" "$disk"
  fact "inodes-$kind" "$inodes"
  fact "mount-$kind" "$mount"
done
fact mount-tmp "$(awk '$2=="/tmp"{o=$4} END{print o}' /proc/mounts)"
fact memory "$(awk '/^MemTotal:/{t=$2} /^MemAvailable:/{a=$2} END{print t, a}' /proc/meminfo)"
has getenforce && fact selinux "$(getenforce 2>/dev/null)"
has aa-enabled && fact apparmor "$(aa-enabled 2>/dev/null)"
if has systemctl; then
  set -- firewalld ufw nftables iptables
  for is in $(systemctl is-active "$@" 2>/dev/null); do
    [ "$is" != active ] || fact firewall "$1"
    [ $# -lt 2 ] || shift
  done
  fact unit-fragment "$(systemctl show -p FragmentPath --value "$service" 2>/dev/null)"
  f=/etc/systemd/system/$service.service
  [ ! -e "$f" ] || head -n 1 "$f" | grep -q '^# Managed by ghadeploy' || fact unit-foreign "$f"
  fact unit-pid "$(systemctl show -p MainPID --value "$service" 2>/dev/null)"
  fact unit-state "$(systemctl is-active "$service" 2>/dev/null)"
fi
if has firewall-cmd && [ "$(systemctl is-active firewalld 2>/dev/null)" = active ]; then
  fact firewalld-ports "$(firewall-cmd --list-ports 2>/dev/null) $(firewall-cmd --list-services 2>/dev/null)"
fi
has ufw && fact ufw "$(ufw status 2>/dev/null | tr '\n' ';')"
{ has nft && nft list ruleset 2>/dev/null || { has iptables-save && iptables-save 2>/dev/null; }; } |
  grep -Ei '(dport|--dports?) .*(drop|reject)|hook input .*policy drop|^:INPUT DROP' | head -20 |
  while read -r line; do fact rule "$line"; done
if has dpkg-query; then
  dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' 'grafana*' 2>/dev/null | awk '$1=="ii"{print $2, $3}' | while read -r p; do fact package "dpkg $p"; done
fi
if has rpm; then
  rpm -qa 'grafana*' --qf '%{NAME} %{VERSION}\n' 2>/dev/null | while read -r p; do fact package "rpm $p"; done
fi
if [ -L "$etc" ]; then fact etc "link $(readlink "$etc")"; elif [ -n "$(ls -A "$etc" 2>/dev/null)" ]; then fact etc folder; else fact etc absent; fi
fact user "$(id "$user" 2>/dev/null)"
fact current "$(readlink "$root/current" 2>/dev/null)"
if has ss; then
  ss -Hltnup 2>/dev/null | awk '{print $1, $5, $7}' | while read -r s; do fact socket "$s"; done
else
  for p in tcp udp; do for v in '' 6; do
    awk -v p="$p" 'NR>1 && ($4=="0A" || p=="udp"){split($2,a,":"); print p, a[2]}' "/proc/net/$p$v" 2>/dev/null
  done; done | while read -r p hex; do fact socket "$p *:$((0x$hex))"; done
fi
fact forwarding "$({ sshd -T 2>/dev/null || /usr/sbin/sshd -T 2>/dev/null; } | awk '$1=="allowtcpforwarding"{print $2}')"
# Each process of the unit, so that a port can be told ours from another's.
pid=$(systemctl show -p MainPID --value "$service" 2>/dev/null)
case $pid in ''|0) ;; *) fact unit-exe "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" ;; esac
if has systemd-analyze && [ "$(id -u)" = 0 ]; then
  dir=$(mktemp -d /run/ghadeploy-check.XXXXXX) || exit 0
  trap 'rm -rf "$dir"' EXIT
  cat >"$dir/$service.service"
  if [ -s "$dir/$service.service" ]; then
    # "command is not executable" is no fault: the release is not there yet.
    SYSTEMD_LOG_LEVEL=warning systemd-analyze verify "$dir/$service.service" 2>&1 | grep -F "$service.service" |
      grep -Ev 'is not executable|not found|No such file|Failed to resolve user|unreachable' | head -5 |
      while read -r line; do fact unit-complaint "$line"; done
  fi
fi
fact end yes
