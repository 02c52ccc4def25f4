# Unpacks a release beside its final place and renames it there when complete.
# $1 root  $2 name  $3 archive  $4 number of leading folders to strip
R=$1 N=$2 A=$3
set -e
umask 022
t="$R/releases/.new-$N"
rm -rf "$t"
mkdir "$t"
chown root:root "$t" && chmod g-s "$t" # what is unpacked belongs to root:root, as --no-same-owner has it
trap 'rm -rf "$t"' EXIT
tar -xzf "$A" -C "$t" --strip-components=1 --no-same-owner
[ -x "$t/bin/grafana" ] || [ -x "$t/bin/grafana-server" ] || { echo "the archive has no bin/grafana" >&2; exit 1; }
# The archive has done its duty: gone before the sync, the disk need never write it.
rm -f "$A"
# A rename that the disk remembers of files that it does not would be half a release.
sync -f "$t" 2>/dev/null || sync
mv -fT "$t" "$R/releases/$N"
