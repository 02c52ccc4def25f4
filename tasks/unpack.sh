# Unpacks a release beside its final place and renames it there when complete.
# $1 root  $2 name  $3 archive  $4 "inspect" where nobody has looked into the archive yet
R=$1 N=$2 A=$3
set -e
umask 077
t="$R/releases/.new-$N"
rm -rf "$t"
# Nobody else gets in before owners and modes are right: an archive may bring what runs as root.
mkdir -m 700 "$t"
chown root:root "$t" && chmod g-s "$t" # what is unpacked belongs to root:root, as --no-same-owner has it
trap 'rm -rf "$t"' EXIT
refuse() { echo "the archive $1: it is not a release, and nothing of it was kept" >&2; exit 1; }
most=4294967296 # bytes; a release has a tenth of it
plain() { gzip -dc <"$A" | head -c "$most"; }
if [ "$4" = inspect ]; then
	# busybox takes such names apart, and says so only.
	plain | tar -tf - >"$t.names" 2>&1 || { rm -f "$t.names"; refuse "cannot be read"; }
	bad=$(grep -m1 -E '^/|(^|/)\.\.(/|$)|^tar: removing leading' "$t.names" | head -c 200) || :
	rm -f "$t.names"
	[ -z "$bad" ] || refuse "names a file outside: $bad"
fi
same=
case $(tar --help 2>&1) in *no-same-permissions*) same=--no-same-permissions ;; esac
plain | tar -xf - -C "$t" --strip-components=1 --no-same-owner $same
if [ "$4" = inspect ]; then
	[ -z "$(find "$t" ! -type f ! -type d ! -type l | head -c 1)" ] || refuse "has a device or a FIFO"
	[ -z "$(find "$t" -type f -links +1 | head -c 1)" ] || refuse "has hard links"
	find "$t" -type l -exec sh -c '
		t=$(readlink -f "$1"); shift
		for l; do case $(readlink "$l") in /*) exit 1 ;; esac
			case $(readlink -f "$l") in "$t"/*) ;; *) exit 1 ;; esac; done' sh "$t" {} + ||
		refuse "has a link out of the release"
fi
# Neither setuid nor setgid, and nothing that others may write, whatever the archive says.
chmod -R u-s,g-s,-t,u+rwX,go-w,go+rX "$t"
[ -x "$t/bin/grafana" ] || [ -x "$t/bin/grafana-server" ] || { echo "the archive has no bin/grafana" >&2; exit 1; }
# The archive has done its duty: gone before the sync, the disk need never write it.
rm -f "$A"
# A rename that the disk remembers of files that it does not would be half a release.
sync -f "$t" 2>/dev/null || sync
mv -fT "$t" "$R/releases/$N"
