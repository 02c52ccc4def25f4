# Starts a Grafana on the side. Its files come as a tar on stdin, since secrets are in it.
# $1 root  $2 unit  $3 user  $4 group  $5 release  $6 binary  $7 memory in bytes  $8 seconds it may live
# $9 addresses it may speak to; then files that the user must own
R=$1 V=$2 U=$3 G=$4 N=$5 B=$6 M=$7 L=$8 I=$9
shift 9
set -e
umask 077
a="$R/aside"
[ -d "$R/releases/$N" ] || { echo "release $N is not on this host" >&2; exit 1; }
mkdir -p "$a"
tar -xf - -C "$a" --no-same-owner -p -m
[ -f "$a/manifest.json" ] || { echo "the stream ended early" >&2; exit 1; }
mkdir -p "$a/data" "$a/logs"
: >"$a/log"
# $1 release  $2 binary  $3 folder. Ends its Grafana when nobody has asked for it for a while.
cat >"$a/run.sh" <<'RUN'
a=$3 server=
[ "$2" = grafana-server ] || server=server
"$1/bin/$2" $server --homepath="$1" --config="$a/etc/grafana.ini" &
g=$!
trap 'kill -TERM "$g" 2>/dev/null' TERM INT
while kill -0 "$g" 2>/dev/null; do
	if [ -z "$(find "$a/lease" -mmin -1 2>/dev/null)" ]; then echo "nobody follows: the end"; kill -KILL "$g" 2>/dev/null; fi
	sleep 1
done
wait "$g"
echo "Grafana on the side ended with status $?"
RUN
chown -hR "root:$G" "$a"
chmod 750 "$a"
chmod 640 "$a/run.sh" "$a/log"
for f; do chown "$U:$G" "$a/$f"; done
chown "$U:$G" "$a/data" "$a/logs"
: >"$a/lease"
chmod 644 "$a/lease"
set -- --quiet --collect --unit="$V" --description="ghadeploy: a Grafana on the side" --uid="$U" --gid="$G"
for p in "RuntimeMaxSec=$L" "MemoryMax=$M" MemorySwapMax=0 CPUWeight=10 CPUQuota=100% IOWeight=10 Nice=19 OOMScoreAdjust=900 TasksMax=512 \
	TimeoutStopSec=5 "WorkingDirectory=$a/data" "EnvironmentFile=$a/etc/environment" "StandardOutput=file:$a/log" "StandardError=file:$a/log" \
	NoNewPrivileges=yes PrivateTmp=yes PrivateDevices=yes ProtectSystem=strict ProtectHome=read-only "ReadWritePaths=$a/data" "ReadWritePaths=$a/logs" \
	CapabilityBoundingSet= "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK" IPAddressDeny=any IPAddressAllow=localhost; do
	set -- "$@" -p "$p"
done
for i in $I; do set -- "$@" -p "IPAddressAllow=$i"; done
systemd-run "$@" /bin/sh "$a/run.sh" "$R/releases/$N" "$B" "$a"
