# What observing and preparing a host know of its groups, of the folders that Grafana
# writes to, and of what changes its unit. Reads only. Uses $R $D $L $U $V.
#
# Every process counts here: a host is read before each command, and one program more costs
# it as much as a thousand lines of shell. So functions leave their answer in a variable,
# programs are asked once for all that they know, and records go out in few writes.
T='	' N='
'
blank=" $T$N" told='' euid='' stranger='' IFS=" $T$N"

# rec NAME FIELD...: keeps a record; tell sends what is kept, before a program prints its own.
rec() { IFS=$T; told=$told$*$N; IFS=$blank; }
tell() { printf %s "$told"; told=; }

# group_number NAME: leaves in $gid its number, of whatever directory it comes.
group_number() {
	if command -v getent >/dev/null 2>&1; then gid=$(getent group "$1" 2>/dev/null); else gid=$(grep "^$1:" /etc/group 2>/dev/null); fi
	gid=${gid%%"$N"*} gid=${gid#*:} gid=${gid#*:} gid=${gid%%:*}
	case $gid in '' | *[!0-9]*) gid=; return 1 ;; esac
}

# user_numbers NAME: leaves in $uid, $gid and $group who it is; group is its number where that has no name.
user_numbers() {
	uid=$(id "$1" 2>/dev/null) || return 1
	gid=${uid#*" gid="} group=${gid%%" groups="*} uid=${uid#uid=}
	uid=${uid%%[!0-9]*} gid=${gid%%[!0-9]*}
	group=${group#"$gid"} group=${group#"("} group=${group%")"}
	[ -n "$uid" ] && [ -n "$gid" ] && group=${group:-$gid}
}

# as_root: whether we are root. The kernel says it without a process.
as_root() {
	if [ -z "$euid" ] && [ -r /proc/self/status ]; then
		while read -r word _ euid _; do [ "$word" != Uid: ] || break; done </proc/self/status
	fi
	case $euid in '' | *[!0-9]*) euid=$(id -u) ;; esac
	[ "$euid" = 0 ]
}

# holds FOLDER: something that is not of the file system itself is in it
holds() {
	for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
		case $f in */lost+found) ;; *) if [ -e "$f" ] || [ -L "$f" ]; then return 0; fi ;; esac
	done
	return 1
}

# serving GROUP COMMAND...: as the unit runs Grafana, with all groups of the user, or as
# $stranger. The command has to succeed: what does not is tried in the next way.
serving() {
	g=$1; shift
	if ! as_root; then "$@"; return; fi
	if [ -n "$stranger" ] && setpriv --reuid "$stranger" --regid "$stranger" --clear-groups "$@" 2>/dev/null; then return; fi
	if command -v setpriv >/dev/null 2>&1 && setpriv --reuid "$U" --regid "$g" --init-groups "$@" 2>/dev/null; then return; fi
	if command -v runuser >/dev/null 2>&1; then runuser -u "$U" -- "$@"
	else su -s /bin/sh "$U" -c 'exec "$0" "$@"' "$@"; fi
}

# ways tells of a LOG, unless that is empty, whether who runs it may not write there, and of
# each KIND, FOLDER and where that really lies, whether it may, the topmost folder on the
# way that it may not enter, and one on the way that it may change.
ways='
[ -z "$1" ] || [ -w "$1" ] || printf "log-closed\t%s\n" "$1"
shift
while [ $# -gt 2 ]; do
	k=$1 d=$2 r=$3 w=- shut=- open=-; shift 3
	[ ! -d "$d" ] || [ ! -w "$d" ] || [ ! -x "$d" ] || w=writes
	for top in "$d" "$r"; do
		q=$top
		while [ -n "$q" ]; do
			[ "$q" = "$top" ] || [ ! -w "$q" ] || [ -k "$q" ] || open=$q
			[ "$q" = "$top" ] || [ -x "$q" ] || shut=$q
			q=${q%/*}
		done
	done
	printf "way\t%s\t%s\t%s\t%s\n" "$k" "$w" "$shut" "$open"
done
exit 0
'

# real FOLDER: leaves in $at where it really lies. Changes the working directory.
real() {
	at=
	cd -P "$1" 2>/dev/null && at=$PWD
	case $at in /*) ;; *) at=$(readlink -f "$1" 2>/dev/null) ;; esac
}

# existing FOLDER: leaves in $d it, or one that is not there in the nearest above it that
# is, and in $at where that really lies
existing() {
	d=$1
	while [ ! -d "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
	real "$d"
	[ "$d" = "$1" ] || d=${d%/}/absent at=${at%/}/absent
}

# owners FOLDER/... [LINK]: leaves in $owned a line of each: its quoted name, where a link
# points, a tab, "UID GID OWNER".
owners() { owned=; [ $# = 0 ] || owned=$N$(stat -c "%N$T%u %g %U" "$@" 2>/dev/null)$N; }

# owner FOLDER/: leaves in $own what owners has found; of a name that stat quotes in another way it asks again.
owner() {
	case $owned in
	*"$N'$1'$T"*) own=${owned#*"$N'$1'$T"} own=${own%%"$N"*} ;;
	*) own=$(stat -L -c '%u %g %U' "$1" 2>/dev/null) ;;
	esac
}

# link_of LINK: leaves in $link where it points, likewise.
link_of() {
	link="'"
	case $owned in *"$N'$1' -> '"*) link=${owned#*"$N'$1' -> '"} link=${link%%"'$T"*} ;; esac
	case $link in *[\'\"\\\$]* | *"$N"*) link=$(readlink "$1") ;; esac
}

# folders tells of them; $gid is the number of the group that Grafana runs with, and $U the
# user, or empty where nobody is there to try.
folders() {
	for k in data logs root generations; do
		case $k in data) d=$D ;; logs) d=$L ;; root) d=$R ;; *) d=$R/generations ;; esac
		if [ -d "$d" ]; then
			s=empty; holds "$d" && s=full
			real "$d"; owner "$d/"
			rec folder "$k" "$s" "$at" "$own"
		elif [ -L "$d" ]; then rec folder "$k" dangling "$(readlink "$d")"
		elif [ -e "$d" ]; then rec folder "$k" file
		else rec folder "$k" absent; fi
	done
	set --
	for k in data logs root; do
		case $k in data) existing "$D" ;; logs) existing "$L" ;; *) existing "$R" ;; esac
		set -- "$@" "$k" "$d" "$at"
	done
	# What a start writes: png, csv and pdf from pkg/setting and the image and CSV stores; the log.
	for f in "$D/png" "$D/csv" "$D/pdf"; do [ ! -d "$f" ] || { real "$f"; set -- "$@" "below:$f" "$f" "$at"; }; done
	f=$L/grafana.log; [ -f "$f" ] || f=
	cd /
	[ -n "$U" ] || return 0
	tell
	serving "$gid" sh -c "$ways" sh "$f" "$@" 2>/dev/null
}

# drop_in FILE: the lines that set something, and the names in the files that it reads.
drop_in() {
	rec dropin "$1"
	lines=0 whole=
	while IFS= read -r l || [ -n "$l" ]; do
		case $l in *\\) whole="$whole${l%\\} "; continue ;; esac
		l=$whole$l whole=
		while :; do case $l in *"$T"*) l="${l%%"$T"*} ${l#*"$T"}" ;; *) break ;; esac; done
		word=${l#"${l%%[! ]*}"}
		case $word in
		\[[A-Z]*\]*) ;;
		[A-Za-z]*=*) word=${word%%=*} word=${word%"${word##*[! ]}"}; case $word in *[!A-Za-z0-9]*) continue ;; esac ;;
		*) continue ;;
		esac
		[ "$lines" -lt 200 ] || break
		lines=$((lines + 1))
		rec dropline "$l"
		[ "$word" != EnvironmentFile ] || drop_file "${l#*=}"
	done <<END
$(head -c 8192 "$1")
END
}

# drop_file VALUE: the names of Grafana's variables in the file that an EnvironmentFile= names.
drop_file() {
	f=${1#"${1%%[! ]*}"} f=${f#\"} f=${f#-} f=${f%"${f##*[! ]}"} f=${f%\"} f=${f%"${f##*[! ]}"}
	[ -f "$f" ] || return 0
	for name in $(head -c 65536 "$f" | sed -n 's/^[[:space:]]*\(GF_[A-Za-z0-9_]*\)=.*/\1/p' | head -n 200); do rec dropfile "$name" "$f"; done
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
				[ ! -f "$f" ] || drop_in "$f"
			done
		done
	done
}
