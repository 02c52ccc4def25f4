# What observing and preparing a host know of its groups, of the folders that Grafana
# writes to, and of what changes its unit. Reads only. Uses $R $D $L $U $V, rec and T.

# group_number NAME: its gid, of whatever directory it comes.
group_number() {
	if command -v getent >/dev/null 2>&1; then getent group "$1"; else grep "^$1:" /etc/group; fi 2>/dev/null |
		head -n 1 | cut -d: -f3 | grep '^[0-9][0-9]*$'
}

# holds FOLDER: something that is not of the file system itself is in it
holds() { [ -n "$(ls -A "$1/" 2>/dev/null | grep -vx 'lost+found' | head -n 1)" ]; }

# serving GROUP COMMAND...: as the unit runs Grafana, with all groups of the user.
serving() {
	g=$1; shift
	if [ "$(id -u)" != 0 ]; then exec "$@"; fi
	if command -v setpriv >/dev/null 2>&1 && setpriv --reuid "$U" --regid "$g" --init-groups true 2>/dev/null; then
		exec setpriv --reuid "$U" --regid "$g" --init-groups "$@"
	elif command -v runuser >/dev/null 2>&1; then exec runuser -u "$U" -- "$@"
	else exec su -s /bin/sh "$U" -c 'exec "$0" "$@"' "$@"; fi
}

# ways tells of each KIND and FOLDER whether who runs it may write there, the topmost
# folder on the way that it may not enter, and one on the way that it may change.
ways='
while [ $# -gt 1 ]; do
	k=$1 d=$2 w=- shut=- open=-; shift 2
	[ ! -d "$d" ] || [ ! -w "$d" ] || [ ! -x "$d" ] || w=writes
	for top in "$d" "$(readlink -f "$d" 2>/dev/null)"; do
		q=$top
		while [ -n "$q" ]; do
			[ "$q" = "$top" ] || [ ! -w "$q" ] || [ -k "$q" ] || open=$q
			[ "$q" = "$top" ] || [ -x "$q" ] || shut=$q
			q=${q%/*}
		done
	done
	printf "way\t%s\t%s\t%s\t%s\n" "$k" "$w" "$shut" "$open"
done
'

# existing FOLDER: it, or one that is not there in the nearest above it that is
existing() {
	d=$1
	while [ ! -d "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
	[ "$d" = "$1" ] || d=${d%/}/absent
	printf %s "$d"
}

folders() {
	for k in data logs root generations; do
		case $k in data) d=$D ;; logs) d=$L ;; root) d=$R ;; *) d=$R/generations ;; esac
		if [ -d "$d" ]; then
			s=empty; holds "$d" && s=full
			rec folder "$k" "$s" "$(readlink -f "$d")" "$(stat -L -c '%u %g %U' "$d/" 2>/dev/null)"
		elif [ -L "$d" ]; then rec folder "$k" dangling "$(readlink "$d")"
		elif [ -e "$d" ]; then rec folder "$k" file
		else rec folder "$k" absent; fi
	done
	( # A user that is still to be made may do what nobody may.
	id -u "$U" >/dev/null 2>&1 || { U=nobody G=; id -u "$U" >/dev/null 2>&1 || exit 0; }
	g=${G:+$(group_number "$G")}
	set -- data "$(existing "$D")" logs "$(existing "$L")" root "$(existing "$R")"
	# What a start writes: png, csv and pdf from pkg/setting and the image and CSV stores; the log.
	for f in "$D/png" "$D/csv" "$D/pdf"; do [ ! -d "$f" ] || set -- "$@" "below:$f" "$f"; done
	(serving "${g:-$(id -g "$U")}" sh -c "$ways" sh "$@") 2>/dev/null
	f=$L/grafana.log
	[ ! -f "$f" ] || (serving "${g:-$(id -g "$U")}" test -w "$f") 2>/dev/null || rec log-closed "$f"
	)
}

# drop_in FILE: the lines that set something, and the names in the files that it reads.
drop_in() {
	rec dropin "$1"
	head -c 8192 "$1" | sed -e ':a' -e '/\\$/{N;s/\\\n/ /;ta' -e '}' | tr '\t' ' ' | grep -E '^ *(\[[A-Z][a-z]*\]|[A-Za-z][A-Za-z0-9]* *=)' | head -n 200 |
		while IFS= read -r l; do
			rec dropline "$l"
			case $l in *EnvironmentFile*=*) ;; *) continue ;; esac
			f=$(printf '%s\n' "$l" | sed -n 's/^ *EnvironmentFile *= *"\{0,1\}-\{0,1\}\(.*[^" ]\)"\{0,1\} *$/\1/p')
			[ -f "$f" ] && head -c 65536 "$f" | sed -n 's/^[[:space:]]*\(GF_[A-Za-z0-9_]*\)=.*/\1/p' | head -n 200 |
				while IFS= read -r n; do rec dropfile "$n" "$f"; done
		done
}

# drop_ins finds them as systemd does: by the unit's name, the name up to each of its dashes,
# and the type of unit (systemd 244); of two files of one name the first hides the other.
drop_ins() {
	n=$V.service.d p=$V
	while :; do case $p in *-*) p=${p%-*}; n="$n $p-.service.d" ;; *) break ;; esac; done
	seen=' '
	for n in $n service.d; do
		for d in /etc/systemd/system.control /run/systemd/system.control /run/systemd/transient /run/systemd/generator.early /etc/systemd/system \
			/run/systemd/system /run/systemd/generator /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system /run/systemd/generator.late; do
			for f in "$d/$n"/*.conf; do
				[ -e "$f" ] || continue
				case $seen in *" ${f##*/} "*) continue ;; esac
				seen="$seen${f##*/} "
				[ -f "$f" ] && drop_in "$f"
			done
		done
	done
	systemctl show-environment 2>/dev/null | sed -n 's/^\(GF_[A-Za-z0-9_]*\)=.*/\1/p' | head -n 50 | while IFS= read -r n; do rec manager "$n"; done
}
