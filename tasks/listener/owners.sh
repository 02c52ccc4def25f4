# Who listens on a port? $1 port as four upper-case hex digits. Prints
#	listen UID ADDRESS:PORT NAME	one socket, as /proc/net/tcp spells it
#	end
LC_ALL=C
export LC_ALL
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	awk -v port="$1" '$4 == "0A" && $2 ~ (":" port "$") { print $8, $2 }' | sort -u |
	while read -r uid at; do
		name=$(id -nu "$uid" 2>/dev/null) || name=$uid
		case $name in '' | *[!A-Za-z0-9._-]*) name=$uid ;; esac
		echo "listen $uid $at $name"
	done
echo end
