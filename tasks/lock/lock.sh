# Holds the lock of a host for as long as this process lives.
# $1 state folder. stdin: the holder's JSON, then one order a line.
#
# The kernel frees the lock with the process: at once when the operator's
# connection closes (end of stdin). When the link is cut without a word sshd may
# take hours to notice, so a watchdog ends the process once no order has come
# for 20 s by this host's own clock, and leaves word of whose lock that was.
S=$1; umask 077
mkdir -p "$S" || exit 1
exec 9>>"$S/lock" || exit 1
IFS= read -r holder || exit 1
if ! flock -n 9; then
	printf 'held '; cat "$S/holder.json" 2>/dev/null || echo '{}'
	exit 0
fi
if [ -r "$S/freeze.json" ] && [ "$2" != ignore-freeze ]; then
	printf 'frozen '; cat "$S/freeze.json"
	exit 0
fi
printf '%s\n' "$holder" >"$S/holder.json"
: >"$S/lease"
rm -f "$S/expired.json"
me=$$
(
	exec 9>&- </dev/null >/dev/null 2>&1
	while sleep 2 && kill -0 "$me"; do
		if [ $(($(date +%s) - $(stat -c %Y "$S/lease"))) -gt 20 ]; then
			mv -f "$S/holder.json" "$S/expired.json"
			rm -f "$S/lease"
			kill -9 "$me"
		fi
	done
) &
dog=$!
echo locked
while IFS= read -r order; do
	case $order in
	beat) ;;
	"journal "*) printf '%s\n' "${order#journal }" >>"$S/journal.jsonl" && sync "$S/journal.jsonl" 2>/dev/null ;;
	"good "*)
		g=${order#good }
		{ [ -r "$S/good" ] && grep -v "^$g " "$S/good" | tail -n 20; echo "$g $(date +%s)"; } >"$S/good.new" && mv -f "$S/good.new" "$S/good" ;;
	"ack "*) echo "$order" ;;
	esac
	: >"$S/lease"
done
kill "$dog" 2>/dev/null
rm -f "$S/holder.json" "$S/lease"
