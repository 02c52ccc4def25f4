# Dumps the database on this host; finish.sh follows. Arguments: kind host port user name sslmode
# final-path glob-of-this-cluster's-dumps keep. Standard input: four lines of
# base64: login file, CA, client certificate, client key; they never are on a
# command line, and only root and nobody, as whom the tools run, can read what they are
# kept in for the time of the dump. With sslmode "relay" it runs on the operator's
# machine, and host is the folder of the socket through which the database is reached.
set -eu
umask 077
kind=$1 host=$2 port=$3 user=$4 name=$5 ssl=$6 final=$7 family=$8 keep=$9
dir=${final%/*} part=$final.tmp
mkdir -p "$dir"
run=/run; [ -w /run ] || run=/tmp
tmp=$(mktemp -d "$run/ghadeploy-dump.XXXXXX")
trap 'rm -rf "$tmp" "$part"' EXIT
trap 'exit 130' HUP INT TERM
for file in login ca cert key; do
  IFS= read -r line || line=
  printf '%s' "$line" | base64 -d >"$tmp/$file"
  [ -s "$tmp/$file" ] || rm -f "$tmp/$file"
done
# What a killed dump left behind.
rm -f "$dir"/*.dump.tmp
ready

case $kind in
postgres)
  low pg_dump --no-password -Fc -h "$host" -p "$port" -U "$user" "$name" >"$part"
  low pg_restore --list <"$part" >/dev/null || { echo "the dump cannot be read back by pg_restore" >&2; exit 1; }
  ;;
*)
  tool=mysqldump; has mysqldump || tool=mariadb-dump
  set -- --defaults-extra-file="$tmp/login" --single-transaction --quick --routines --triggers --hex-blob --default-character-set=utf8mb4
  help=$("$tool" --help --verbose 2>/dev/null || :)
  case $help in *--no-tablespaces*) set -- "$@" --no-tablespaces ;; esac
  case $help in *--set-gtid-purged*) set -- "$@" --set-gtid-purged=OFF ;; esac
  case $help in *--column-statistics*) set -- "$@" --skip-column-statistics ;; esac
  low "$tool" "$@" "$name" >"$part"
  tail -c 200 "$part" | grep -q '^-- Dump completed' || { echo "the dump is incomplete: it does not end in 'Dump completed'" >&2; exit 1; }
  ;;
esac
