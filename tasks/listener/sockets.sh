# Whose are the sockets of a port? Needs no ss and no lsof. Arguments: $1 unit without
# suffix, $2 port as four upper-case hex digits. Prints
#	own|other STATE ADDRESS:PORT INODE	one socket, as /proc/net/tcp spells it
#	main PID
#	end
# Connections of the unit's own are left out. The table is read before and after the
# unit's processes: a connection that comes or goes meanwhile is nobody else's.
LC_ALL=C
export LC_ALL
said=$(systemctl show "$1.service" -p MainPID -p ControlGroup) || exit 1
main=$(printf '%s\n' "$said" | sed -n 's/^MainPID=//p')
group=$(printf '%s\n' "$said" | sed -n 's/^ControlGroup=//p')
pids=$main
# The root of the tree would be everybody.
case $group in '' | /) ;; *)
	for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
		[ -d "$tree$group" ] || continue
		pids="$pids $(find "$tree$group" -name cgroup.procs -exec cat {} \; 2>/dev/null | tr '\n' ' ')"
	done ;;
esac
# ls -L shows what a descriptor is and its inode, and nothing that its opener has named.
{
	echo phase 1
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
	echo phase 2
	for p in $pids; do ls -linL "/proc/$p/fd" 2>/dev/null; done
	echo phase 3
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
} | awk -v port="$2" '
	$1 == "phase" { phase = $2; next }
	phase == 2 { if ($2 ~ /^s/) own[$1] = 1; next }
	$2 !~ (":" port "$") || $10 == 0 { next }
	phase == 1 { before[$10] = 1; next }
	$10 in own { if ($4 == "0A") print "own", $4, $2, $10; next }
	$10 in before { print "other", $4, $2, $10 }
' || exit 1
echo "main $main"
echo end
