# Says what a host can spare. $1 root  $2 the database's host, as Grafana there looks it up
while read -r key value _; do [ "$key" != MemAvailable: ] || echo "memory $value"; done </proc/meminfo
d=$1
while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done
df -Pk "$d" | awk 'END { print "disk " $4 }'
p=23033
while [ "$p" -lt 23133 ]; do
	grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$p") " /proc/net/tcp /proc/net/tcp6 2>/dev/null || break
	p=$((p + 1))
done
echo "port $p"
getent ahosts "$2" | awk '{ print "address " $1 }' | sort -u
awk '$1 == "nameserver" { print "address " $2 }' /etc/resolv.conf 2>/dev/null
:
