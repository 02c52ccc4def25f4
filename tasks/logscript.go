package tasks

// asUser runs a command as another user: what the service's user owns is read as that
// user. To root a link of its may show any file, and a FIFO holds it for ever.
const asUser = `
as() { # USER COMMAND...; in a subshell, which becomes the command
	u=$1; shift
	[ "$(id -u)" != "$(id -u "$u")" ] || exec "$@"
	if command -v setpriv >/dev/null 2>&1 && setpriv --reuid "$u" --regid "$(id -g "$u")" --clear-groups true 2>/dev/null; then
		exec setpriv --reuid "$u" --regid "$(id -g "$u")" --clear-groups "$@"
	elif command -v runuser >/dev/null 2>&1; then exec runuser -u "$u" -- "$@"
	else exec su -s /bin/sh "$u" -c 'exec "$0" "$@"' "$@"; fi
}
`

// logScript follows the log of the service's running process until a line matches,
// or the process is older than $3 seconds. $4 is the log's file, empty for the journal,
// and "-" where there is nothing to read and only the age counts. In a file the running
// process begins at the last start that is told; one without it was begun later. The
// file is read as the service's user ($5), and only its age counts where it is no file
// that this user may read: what stands there must not hold up a rollout.
const logScript = asUser + `
pid=$(systemctl show -p MainPID "$1.service"); pid=${pid#MainPID=}
left=$(($3 - $(date +%s) + $(stat -c %Y "/proc/$pid"))) && [ "$left" -gt 0 ] || exit 0
d=$(mktemp -d) && mkfifo "$d/lines" || exit 0
p=$2 f=$4 u=$5
case $f in ''|-) ;; *)
	n=$( (as "$u" timeout 10 sh -c '[ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ] || { echo none; exit; }
		grep -n "Starting Grafana" "$1" | tail -n 1 | cut -d: -f1' sh "$f") 2>/dev/null) || n=none
	case $n in *[!0-9]*) f=- ;; esac ;;
esac
case $f in
'') timeout "$left" journalctl -f -n all -o cat _PID="$pid" >"$d/lines" 2>/dev/null & ;;
-) timeout "$left" sleep "$left" >"$d/lines" 2>/dev/null & ;;
*) (as "$u" timeout "$left" tail -n "+${n:-1}" -F "$f") >"$d/lines" 2>/dev/null & ;;
esac
grep -m1 -E "$p" <"$d/lines" | head -c 4096
kill $! 2>/dev/null
rm -rf "$d"
`
