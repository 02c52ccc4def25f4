# Prints one record per fact, fields separated by tabs. Reads only.
# $1 root  $2 etc link  $3 state folder  $4 service  $5 system user  $6 data  $7 logs  $8 group, or empty
R=$1 E=$2 S=$3 V=$4 U=$5 D=$6 L=$7 G=$8 T=$(printf '\t')
rec() { printf '%s' "$1"; shift; for f; do printf '\t%s' "$f"; done; printf '\n'; }
one() { [ -r "$2" ] && IFS= read -r l <"$2" && rec "$1" "$l"; }

set -- $(uname -m; date +%s)
rec arch "$1"; rec clock "$2"
[ -r /proc/uptime ] && read -r up _ </proc/uptime && rec uptime "$up"
rec systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p;q')"
id -u "$U" >/dev/null 2>&1 && rec user "$U" "$(id -u "$U")" "$(id -g "$U")" "$(id -gn "$U" 2>/dev/null)"
[ -z "$G" ] || { i=$(group_number "$G") && rec group "$i"; }
for c in systemd-run flock sha256sum tar gzip useradd adduser bash readlink pg_dump pg_restore psql mysqldump mariadb-dump mysql mariadb; do
	command -v "$c" >/dev/null 2>&1 && rec tool "$c"
done

# What is unpacked, what is deployed, what is current.
for d in "$R"/releases/*/; do [ -d "$d" ] && d=${d%/} && rec release "${d##*/}"; done
for d in "$R"/generations/*/; do
	[ -f "$d/manifest.json" ] && d=${d%/} && rec generation "${d##*/}" "$(readlink "$d/release")"
	[ -r "$d/etc/grafana.ini" ] && sed -n '/^\[server\]$/,/^$/{/^protocol *=/p;/^http_addr *=/p;/^http_port *=/p;}' "$d/etc/grafana.ini" |
		while IFS= read -r l; do rec server "${d##*/}" "$l"; done
done
if [ -L "$R/current" ]; then rec current "$(readlink "$R/current")"; elif [ -e "$R/current" ]; then rec current-is-not-a-link; fi
if [ -L "$E" ]; then rec etc link "$(readlink "$E")"; elif [ -d "$E" ]; then
	set -- "$E"/* "$E"/.[!.]*; [ -e "$1" ] || [ -e "$2" ] && rec etc folder || rec etc empty
elif [ -e "$E" ]; then rec etc file; else rec etc absent; fi
[ -d "$D" ] && [ -d "$L" ] && rec data-folders
folders
drop_ins
if [ -L "$R/current" ] && [ -d "$R/current/" ]; then
	cd "$R/current/" && find . -path ./release -prune -o -path ./plugins -prune -o -path ./shown -prune -o -type f -exec sha256sum {} + |
		while read -r h f; do rec file "$h" "${f#./}"; done
fi
F=/etc/systemd/system/$V.service
if [ -f "$F" ]; then
	rec unit "$(sha256sum <"$F")" "$(sed -n 's/^# \(Managed by ghadeploy\).*/\1/p;1q' "$F")"
fi

# What runs: the command line names the generation that it was started from.
systemctl show "$V.service" "ghadeploy-turn.service" -p Id,LoadState,ActiveState,SubState,MainPID,NRestarts,UnitFileState,NeedDaemonReload,Result,ExecMainStartTimestampMonotonic |
	while IFS= read -r l; do rec show "$l"; case $l in MainPID=0) ;; MainPID=*)
		p=${l#MainPID=}; [ -r "/proc/$p/cmdline" ] && rec cmdline "$p" "$(tr '\000\n\t' '   ' <"/proc/$p/cmdline")"
		while read -r k a _; do case $k in Uid: | Gid:) rec process "$k" "$a" ;; esac; done 2>/dev/null <"/proc/$p/status"
		[ -r "/proc/$p/environ" ] && tr '\n\t\000' '  \n' <"/proc/$p/environ" | grep '^GF_[A-Za-z0-9_]*=' | head -n 200 | cut -c 1-8192 |
			while IFS= read -r g; do rec environ "$p" "$g"; done && rec environ-read "$p";; esac; done

[ -r "$S/good" ] && while read -r l; do rec good "$l"; done <"$S/good"
one drained "$S/drained"
one stopped "$S/stopped"
one freeze "$S/freeze.json"
df -Pk "$(d=$R; while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done; printf %s "$d")" 2>/dev/null | while read -r _ _ _ free _; do case $free in *[!0-9]*) ;; *) rec disk "$free";; esac; done
rec end
