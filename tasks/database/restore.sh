# Puts a dump back. Arguments: kind host port user name sslmode dump. Standard
# input: as for a dump, and after it the statements that empty the schema.
set -eu
umask 077
kind=$1 host=$2 port=$3 user=$4 name=$5 ssl=$6 dump=$7
run=/run; [ -w /run ] || run=/tmp
tmp=$(mktemp -d "$run/ghadeploy-restore.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
for file in login ca cert key wipe; do
  IFS= read -r line || line=
  printf '%s' "$line" | base64 -d >"$tmp/$file"
  [ -s "$tmp/$file" ] || rm -f "$tmp/$file"
done
ready
verify "$kind" "$dump"
case $kind in
postgres)
  export PGOPTIONS=--client-min-messages=warning
  # COMMIT comes only when all of the dump was read: whatever breaks before it
  # leaves the database as it was.
  { echo 'BEGIN;'; cat "$tmp/wipe"
    if low pg_restore --no-owner --no-privileges --no-comments -f - <"$dump"; then echo 'COMMIT;'; echo done >"$tmp/read"; fi
  } | low psql --no-password -X -q -v ON_ERROR_STOP=1 -h "$host" -p "$port" -U "$user" -d "$name" >/dev/null
  [ -e "$tmp/read" ] || { echo "pg_restore could not read the dump; the database is as it was" >&2; exit 1; }
  ;;
*)
  client=mysql; has mysql || client=mariadb
  # With --binary-mode the client carries out no command of its own ("\!", "system")
  # that stands in a dump.
  set -- --defaults-extra-file="$tmp/login" --default-character-set=utf8mb4 --batch --skip-column-names --binary-mode
  # Tables that a later version made are in no dump, and would stop its
  # migrations the next time: empty the database first.
  { echo 'SET FOREIGN_KEY_CHECKS=0;'; low "$client" "$@" "$name" <"$tmp/wipe"; } >"$tmp/drops"
  low "$client" "$@" "$name" <"$tmp/drops"
  low "$client" "$@" "$name" <"$dump"
  ;;
esac
echo restored
