# Defines verify KIND DUMP: fails, saying why, when a dump is not there, is not what
# was written, or does not have the form of one.
hash() { if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi; }
verify() {
  [ -r "$2" ] || { echo "no such dump: $2" >&2; return 1; }
  if [ -r "$2.sha256" ]; then
    read -r want rest <"$2.sha256"
    got=$(hash "$2"); got=${got%% *}
    [ "$want" = "$got" ] || { echo "$2 is not what was written (sha256 $got, recorded $want)" >&2; return 1; }
  fi
  case $1 in
  postgres) low pg_restore --list <"$2" >/dev/null ;;
  *) tail -c 200 "$2" | grep -q '^-- Dump completed' || { echo "$2 is incomplete: it does not end in 'Dump completed'" >&2; return 1; } ;;
  esac
}
