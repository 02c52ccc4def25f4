# Replaces file $1, whose hash must be $2, by standard input, atomically and with its mode
# and owner, and has nginx read it; a text that nginx does not take is put back. The
# temporary name starts with a dot so that no include pattern (*.conf, *) picks it up.
set -eu
f=$(readlink -f "$1") base=$2
d=$(dirname "$f") n=$(basename "$f")
new=$d/.$n.ghadeploy-new old=$d/.$n.ghadeploy-old
trap 'rm -f "$new" "$old"' EXIT

# workers: who accepts connections, as MASTER:WORKER. A worker that finishes what it has says
# so in its title (ngx_worker_process_cycle of nginx's src/os/unix/ngx_process_cycle.c). Where
# systemd knows the master, those of others that run here are left out.
workers() {
  for c in $(grep -ls '^nginx: worker process' /proc/[0-9]*/cmdline); do
    if grep -qs 'shutting down' "$c"; then continue; fi
    p=${c#/proc/} p=${p%/cmdline}
    m=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$p/status" 2>/dev/null) || continue
    case $main in '' | 0 | "$m") printf '%s:%s ' "$m" "$p" ;; esac
  done
}

# taken_over: a master of $before has new workers, and none of before that accepts.
taken_over() {
  now=$(workers) renewed=' '
  for w in $now; do
    case " $before" in
      *" $w "*) ;;
      *" ${w%%:*}:"*) renewed="$renewed${w%%:*} " ;;
    esac
  done
  [ "$renewed" != ' ' ] || return 1
  for w in $now; do
    case " $before" in *" $w "*) case $renewed in *" ${w%%:*} "*) return 1 ;; esac ;; esac
  done
}

now=$(sha256sum <"$f")
[ "${now%% *}" = "$base" ] || { echo "$f was changed by someone else meanwhile; try again" >&2; exit 3; }
cp -p "$f" "$new"
cat >"$new"
cp -p "$f" "$old"
mv -f "$new" "$f"
if ! nginx -t -q; then mv -f "$old" "$f"; echo "$f is as it was before" >&2; exit 4; fi
main=
if systemctl is-active -q nginx 2>/dev/null; then
  main=$(systemctl show -p MainPID --value nginx) || main=
  before=$(workers)
  systemctl reload nginx
else
  before=$(workers)
  nginx -s reload
fi

# The reload only asks: for 100 ms and more the old workers accept connections beside the new
# ones, and send them where the file pointed before. A host must not stop until that is over.
[ -n "$before" ] || exit 0
since=$(date +%s)
until taken_over; do
  if [ $(($(date +%s) - since)) -ge 10 ]; then
    echo "nginx's workers of before still accept connections, 10 s after its reload: its error log says why" >&2
    exit 5
  fi
  sleep 0.1 2>/dev/null || sleep 1
done
