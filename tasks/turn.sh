# One host's turn: stop, flip, start. Runs as a transient systemd unit, so that
# it ends by itself when the operator's connection does not live to see it.
# $1 verb: flip (stop, flip to $4, start), restart, stop, start
# $2 root  $3 service  $4 generation
verb=$1 R=$2 V=$3 G=$4 u=/etc/systemd/system/$3.service rc=0
say() { read -r now _ </proc/uptime; echo "$now $*" >>/run/ghadeploy-turn; }
: >/run/ghadeploy-turn
exec </dev/null >>/run/ghadeploy-turn.err 2>&1

# Somebody else's unit, and the service that it runs, are not ours to take.
if [ "$verb" = flip ] && [ -e "$u" ] && ! head -n 1 "$u" | grep -q '^# Managed by ghadeploy'; then
	echo "$u is a unit that ghadeploy did not make, nothing was touched: systemctl disable --now $V; mv $u /root/" >&2
	exit 1
fi

flip() {
	[ -f "$R/generations/$G/manifest.json" ] || { echo "generation $G is not on this host" >&2; return 1; }
	if ! cmp -s "$R/generations/$G/unit" "$u"; then
		cp "$R/generations/$G/unit" "$u.new" && chmod 644 "$u.new" && mv -f "$u.new" "$u" || return 1
		command -v restorecon >/dev/null 2>&1 && restorecon "$u"
	fi
	ln -sfn "generations/$G" "$R/current.new" && mv -fT "$R/current.new" "$R/current" || return 1
	sync "$R" 2>/dev/null
	systemctl daemon-reload
}

case $verb in flip | restart | stop)
	say stop
	# A unit that was never loaded cannot be stopped, and need not be.
	systemctl stop "$V.service" 2>/dev/null || [ "$(systemctl show -p MainPID "$V.service")" = MainPID=0 ] || rc=1
	say stopped
esac
# Whatever happens to the flip, the host starts what is current then: old or new, never nothing.
if [ "$verb" = flip ]; then flip || rc=1; say flipped; fi
case $verb in flip | restart | start)
	[ -f "$u" ] && systemctl enable -q "$V.service"
	systemctl reset-failed "$V.service" 2>/dev/null
	say start
	systemctl start "$V.service" || rc=1
	say started
esac
exit "$rc"
