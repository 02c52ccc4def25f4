# Writes a generation from a tar stream on stdin beside its final place and
# renames it there when complete. Secrets come this way and no other.
# $1 root  $2 id  $3 release  $4 user  $5 its group  $6 state folder  $7.. files that the user must own
R=$1 I=$2 N=$3 U=$4 G=$5 S=$6
shift 6
set -e
umask 077
t="$R/generations/.new-$I"
rm -rf "$t"
mkdir "$t"
trap 'rm -rf "$t"' EXIT
tar -xf - -C "$t" --no-same-owner -p -m
chmod 750 "$t"
[ -f "$t/manifest.json" ] || { echo "the stream ended early" >&2; exit 1; }
[ -d "$R/releases/$N" ] || { echo "release $N is not on this host" >&2; exit 1; }
ln -s "../../releases/$N" "$t/release"
chown -hR "root:$G" "$t"
for f; do chown "$U:$G" "$t/$f"; done
sync -f "$t" 2>/dev/null || sync
if [ -d "$R/generations/$I" ]; then
	# The same id with other content was changed by hand. It is not ours to lose.
	c="$S/changed/$I-$(date +%s)"
	mkdir -p "$S/changed"
	cp -a "$R/generations/$I" "$c"
	mv -T "$R/generations/$I" "$R/generations/.new-$I-old"
fi
mv -T "$t" "$R/generations/$I"
rm -rf "$R/generations/.new-$I-old"
