# User, group and folders that everything else stands on. Idempotent.
# $1 root  $2 data  $3 logs  $4 state  $5 user  $6 its group, by name or number
# $7.. folders that are there, empty, and given to the user
R=$1 D=$2 L=$3 S=$4 U=$5 G=$6
shift 6
set -e
umask 022
case $G in *[!0-9]*) group_number "$G" >/dev/null || { command -v groupadd >/dev/null 2>&1 && groupadd -r "$G"; } || addgroup -S "$G" ;; esac
if ! id -u "$U" >/dev/null 2>&1; then
	# A user that was lost comes back under another number: what the old one had is its own.
	o=
	[ ! -d "$R/generations" ] || [ ! -d "$D" ] || o=$(stat -L -c %u "$D")
	n=$(command -v nologin || echo /bin/false)
	if command -v useradd >/dev/null 2>&1; then
		useradd -r -g "$G" -d "$D" -M -s "$n" -c "Grafana" "$U"
	else
		adduser -S -D -H -h "$D" -s "$n" -G "$G" "$U"
	fi
	if [ "${o:-0}" != 0 ] && [ "$o" != "$(id -u "$U")" ]; then
		for d in "$D" "$L" "$R/generations"; do
			[ ! -d "$d" ] || find "$d" -user "$o" -exec chown -h "$U:$G" {} +
		done
		chgrp -hR "$G" "$R/generations"
	fi
fi
mkdir -p "$R" "$R/releases" "$R/generations"
# What runs was started with the group that the folder had; it goes on reading there until its turn.
m=750
[ "$(stat -c %u:%g "$R/generations")" = 0:0 ] || [ "$(stat -c %G "$R/generations")" = "$G" ] || [ "$(stat -c %g "$R/generations")" = "$G" ] || m=751
chown "root:$G" "$R" "$R/releases" "$R/generations"
chmod 755 "$R" "$R/releases"
chmod "$m" "$R/generations"
for d in "$D" "$L"; do
	[ -d "$d" ] || { mkdir -p "$d" && chown "$U:$G" "$d" && chmod 750 "$d"; }
done
# give FOLDER to the user: from inside, so that a link that is turned meanwhile leads nowhere else.
give() (
	cd "$1"
	! holds . || { echo "$1 is no longer empty: look at it, then run apply again" >&2; exit 1; }
	case $(pwd -P)/ in /bin/* | /boot/* | /dev/* | /etc/* | /lib*/* | /proc/* | /root/* | /run/systemd/* | /sbin/* | /sys/* | /usr/* | /var/lib/systemd/* | /var/spool/*)
		echo "$1 leads to $(pwd -P), which belongs to the system" >&2; exit 1 ;;
	esac
	way=$( (serving "$(id -g "$U")" sh -c "$ways" sh '' it "$1" "$(pwd -P)") 2>/dev/null) || way=
	case ${way##*"$T"} in /*) echo "$1 leads through ${way##*"$T"}, which $U may change" >&2; exit 1 ;; esac
	chown "$U:$G" . && chmod u+rwx .
)
for d; do give "$d"; done
[ -d "$S" ] || mkdir -p -m 700 "$S"
# What a run that died half-way left behind.
rm -rf "$R"/releases/.new-* "$R"/generations/.new-*
