# Who holds these sockets? Arguments: inodes. Prints PID USER COMMAND; the command is its
# name and not its arguments, in which others may have secrets.
LC_ALL=C
export LC_ALL
ls -linL /proc/[0-9]*/fd 2>/dev/null | awk -v want=" $* " '
	/^\/proc\// { split($0, part, "/"); pid = part[3]; next }
	$2 ~ /^s/ && index(want, " " $1 " ") && !told[pid]++ { print pid }
' | head -n 10 | while read -r pid; do
	uid=$(awk '$1 == "Uid:" { print $3; exit }' "/proc/$pid/status" 2>/dev/null)
	user=$(awk -F: -v uid="$uid" '$3 == uid { print $1; exit }' /etc/passwd 2>/dev/null)
	printf '%s %s %s\n' "$pid" "${user:-$uid}" "$(head -c 64 "/proc/$pid/comm" 2>/dev/null | tr '\n\t' '  ')"
done
