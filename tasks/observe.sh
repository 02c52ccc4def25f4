# Prints one record per fact, fields separated by tabs. Reads only. What grep, sha256sum and
# the service user's shell print goes out as it is.
# $1 root  $2 etc link  $3 state folder  $4 service  $5 system user  $6 data  $7 logs  $8 group, or empty
R=$1 E=$2 S=$3 V=$4 U=$5 D=$6 L=$7 G=$8
one() { l=; [ -r "$2" ] && { IFS= read -r l <"$2" || [ -n "$l" ]; } && rec "$1" "$l"; }

rec arch "$(uname -m)"
rec clock "$(date +%s)"
[ -r /proc/uptime ] && read -r up _ </proc/uptime && rec uptime "$up"
# A user that is still to be made may do what a stranger may: a number that nothing belongs
# to. "nobody" is no stranger to what a file server shows as nobody's, and stands in for one
# where setpriv is missing.
made=
if user_numbers "$U"; then made=1; rec user "$U" "$uid" "$gid" "$group"
elif user_numbers nobody; then U=nobody stranger=1900000019
else U='' gid=; fi
if [ -n "$G" ]; then
	own=$gid
	if [ -n "$made" ] && [ "$G" = "$group" ] && [ "$G" != "$gid" ] || group_number "$G"; then rec group "$gid"; fi
	[ -n "$made" ] && [ -n "$gid" ] || gid=$own
fi
for c in systemd-run flock sha256sum tar gzip useradd adduser bash readlink pg_dump pg_restore psql mysqldump mariadb-dump mysql mariadb; do
	command -v "$c" >/dev/null 2>&1 && rec tool "$c"
done

# What is unpacked, what is deployed, what is current.
for d in "$R"/releases/*/; do [ -d "$d" ] && d=${d%/} && rec release "${d##*/}"; done
for d in "$R"/generations/*/; do
	d=${d%/}
	[ -f "$d/manifest.json" ] || continue
	real "$d/release"
	case $at in */releases/*) ;; *) at=$(readlink "$d/release") ;; esac
	rec generation "${d##*/}" "$at"
done
if cd "$R/generations" 2>/dev/null; then
	tell
	grep -sE '^(\[|(protocol|http_addr|http_port) *=)' /dev/null ./*/etc/grafana.ini
fi
set --
for d in "$D" "$L" "$R" "$R/generations"; do [ ! -d "$d" ] || set -- "$@" "$d/"; done
[ ! -L "$E" ] || set -- "$@" "$E"
owners "$@"
if [ -L "$R/current" ]; then
	at=; [ ! -d "$R/current/" ] || real "$R/current"
	case $at in */generations/*) ;; *) at=$(readlink "$R/current") ;; esac
	rec current "$at"
elif [ -e "$R/current" ]; then rec current-is-not-a-link; fi
if [ -L "$E" ]; then link_of "$E"; rec etc link "$link"; elif [ -d "$E" ]; then
	set -- "$E"/* "$E"/.[!.]*; [ -e "$1" ] || [ -e "$2" ] && rec etc folder || rec etc empty
elif [ -e "$E" ]; then rec etc file; else rec etc absent; fi
[ -d "$D" ] && [ -d "$L" ] && rec data-folders
folders
drop_ins

# The hashes of what is managed: files of the current generation, and the unit.
F=/etc/systemd/system/$V.service
[ -f "$F" ] || F=
if [ -n "$F" ]; then
	l=; IFS= read -r l <"$F"
	case $l in '# Managed by ghadeploy'*) l=${l#'# '} ;; *) l= ;; esac
	rec unit "$F" "$l"
fi
tell
if [ -L "$R/current" ] && cd "$R/current/" 2>/dev/null; then
	find -H . ${F:+"$F"} -path ./release -prune -o -path ./plugins -prune -o -path ./shown -prune -o -type f -exec sha256sum {} +
elif [ -n "$F" ]; then sha256sum "$F"; fi
cd /

# What runs: the command line names the generation that it was started from.
show=$(systemctl show "$V.service" "ghadeploy-turn.service" -p Id,LoadState,ActiveState,SubState,MainPID,NRestarts,UnitFileState,NeedDaemonReload,Result,ExecMainStartTimestampMonotonic)
manager=$(systemctl show -p Version -p Environment 2>/dev/null)
set -f
p='' IFS=$N
for l in ${show%%"$N$N"*}; do
	rec show "$l"
	case $l in MainPID=*) p=${l#MainPID=} ;; esac
done
IFS=$blank
set +f
case $p in '' | 0 | *[!0-9]*) ;; *)
	while read -r k a _; do case $k in Uid:) rec process "$k" "$a" ;; Gid:) rec process "$k" "$a"; break ;; esac; done 2>/dev/null <"/proc/$p/status"
	[ ! -r "/proc/$p/cmdline" ] || rec cmdline "$p" "$(tr '\000\n\t' '   ' <"/proc/$p/cmdline")"
	if [ -r "/proc/$p/environ" ]; then
		tell
		tr '\n\t\000' '  \n' <"/proc/$p/environ" | awk -v p="$p" '/^GF_[A-Za-z0-9_]*=/ { print "environ\t" p "\t" substr($0, 1, 8192); if (++n == 200) exit }'
		rec environ-read "$p"
	fi ;;
esac
# After an empty line, the turn's.
case $show in *"$N$N"*) rec show ''; IFS=$N; set -f; for l in ${show#*"$N$N"}; do rec show "$l"; done; set +f; IFS=$blank ;; esac
case $manager in *Version=*) v=${manager#*Version=} ;; *) v=$(systemctl --version) ;; esac
v=${v%%"$N"*} v=${v#"${v%%[0-9]*}"}
rec systemd "${v%%[!0-9]*}"
case $manager in *GF_*)
	for n in $(systemctl show-environment 2>/dev/null | sed -n 's/^\(GF_[A-Za-z0-9_]*\)=.*/\1/p' | head -n 50); do rec manager "$n"; done ;;
esac

[ -r "$S/good" ] && while read -r l; do rec good "$l"; done <"$S/good"
one drained "$S/drained"
one stopped "$S/stopped"
one freeze "$S/freeze.json"
one layout "$S/layout"
d=$R
while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done
free=$(df -Pk "$d" 2>/dev/null)
set -f
# shellcheck disable=SC2086 # a line of words
set -- ${free##*"$N"}
case ${4-} in '' | *[!0-9]*) ;; *) rec disk "$4" ;; esac
rec end
tell
