# User, group and folders that everything else stands on. Idempotent.
# $1 root  $2 data  $3 logs  $4 state  $5 user
R=$1 D=$2 L=$3 S=$4 U=$5
set -e
if ! id -u "$U" >/dev/null 2>&1; then
	# A user that was lost comes back under another number: what the old one had is its own.
	o=
	[ ! -d "$R/generations" ] || [ ! -d "$D" ] || o=$(stat -c %u "$D")
	n=$(command -v nologin || echo /bin/false)
	if command -v useradd >/dev/null 2>&1; then
		grep -q "^$U:" /etc/group || groupadd -r "$U"
		useradd -r -g "$U" -d "$D" -M -s "$n" -c "Grafana" "$U"
	else
		addgroup -S "$U" 2>/dev/null || true
		adduser -S -D -H -h "$D" -s "$n" -G "$U" "$U"
	fi
	if [ "${o:-0}" != 0 ] && [ "$o" != "$(id -u "$U")" ]; then
		for d in "$D" "$L" "$R/generations"; do
			[ ! -d "$d" ] || find "$d" -user "$o" -exec chown -h "$U:$U" {} +
		done
		chgrp -hR "$U" "$R/generations"
	fi
fi
mkdir -p "$R" "$R/releases" "$R/generations"
chown "root:$U" "$R" "$R/releases" "$R/generations"
chmod 755 "$R" "$R/releases"
chmod 750 "$R/generations"
for d in "$D" "$L"; do
	[ -d "$d" ] || { mkdir -p "$d" && chown "$U:$U" "$d" && chmod 750 "$d"; }
done
[ -d "$S" ] || mkdir -p -m 700 "$S"
# What a run that died half-way left behind.
rm -rf "$R"/releases/.new-* "$R"/generations/.new-*
