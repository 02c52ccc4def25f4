# Defines ready, which is called once $tmp has the login and the certificates, and low:
# runs a command as nobody, who may read $tmp. What a server sends and what
# stands in a dump is not ours: no tool works on it as root.
has() { command -v "$1" >/dev/null 2>&1; }
low() { "$@"; }
ready() {
case $kind in
postgres)
  PGPASSFILE=$tmp/login PGSSLMODE=$ssl PGCONNECT_TIMEOUT=10 PGAPPNAME=ghadeploy
  # Without a server that is verified: no password in clear. libpq knows it since 16.
  case $ssl in
  relay) PGSSLMODE=disable PGREQUIREAUTH=scram-sha-256,md5,none ;;
  verify-full) PGREQUIREAUTH= ;;
  *) PGREQUIREAUTH=scram-sha-256,md5,none ;;
  esac
  export PGPASSFILE PGSSLMODE PGCONNECT_TIMEOUT PGAPPNAME PGREQUIREAUTH
  [ ! -e "$tmp/ca" ] || { PGSSLROOTCERT=$tmp/ca; export PGSSLROOTCERT; }
  [ ! -e "$tmp/cert" ] || { PGSSLCERT=$tmp/cert PGSSLKEY=$tmp/key; export PGSSLCERT PGSSLKEY; }
  ;;
*)
  [ ! -e "$tmp/ca" ] || echo "ssl-ca=$tmp/ca" >>"$tmp/login"
  [ ! -e "$tmp/cert" ] || printf 'ssl-cert=%s\nssl-key=%s\n' "$tmp/cert" "$tmp/key" >>"$tmp/login"
  case $ssl in true | relay) ;; *) plugins ;; esac
  ;;
esac
unprivileged
[ "$kind $ssl" != "mysql skip-verify" ] || encrypted
}
unprivileged() {
if [ "$(id -u)" = 0 ] && [ "$ssl" != relay ]; then
  nobody=$(id -g nobody) || { echo "there is no user nobody to run the database's tools as" >&2; exit 1; }
  if setpriv --reuid nobody --regid "$nobody" --clear-groups true 2>/dev/null; then
    low() { setpriv --reuid nobody --regid "$nobody" --clear-groups "$@"; }
  elif runuser -u nobody -- true 2>/dev/null; then
    low() { runuser -u nobody -- "$@"; }
  else
    low() { su -s /bin/sh nobody -c 'exec "$0" "$@"' "$@"; }
  fi
  [ ! -d "$tmp" ] || chown -R nobody "$tmp"
fi
}
# A client that is told to use TLS, and not to verify it, goes on without any where the
# server, or who answers for it, has none.
encrypted() {
  client=mysql; has mysql || client=mariadb
  cipher=$(low "$client" --defaults-extra-file="$tmp/login" --batch --skip-column-names -e "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
  set -- $cipher
  [ -n "${2:-}" ] || { echo "the connection to $host is not encrypted, and database.ssl_mode is skip-verify: turn TLS on in the server" >&2; exit 1; }
}
# Where a client may not be asked for the password itself, it finds no plugin for that.
plugins() {
  mkdir -p "$tmp/plugins"
  for so in /usr/lib/*/libmariadb3/plugin /usr/lib/*/mariadb*/plugin /usr/lib64/mariadb/plugin /usr/lib/mariadb/plugin /usr/lib/mysql/plugin; do
    [ ! -e "$so/client_ed25519.so" ] || ln -sf "$so/client_ed25519.so" "$tmp/plugins/"
  done
  chmod 755 "$tmp/plugins"
  echo "plugin-dir=$tmp/plugins" >>"$tmp/login"
}
