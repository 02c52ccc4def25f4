# The login for /metrics of the Grafana that runs: its name, then its password, as its own
# grafana.ini has them. $1 root  $2 service
p=$(systemctl show -p MainPID "$2.service"); p=${p#MainPID=}
case $p in '' | 0 | *[!0-9]*) exit 0 ;; esac
g=$(tr '\000' '\n' <"/proc/$p/cmdline" | sed -n 's|^--config=\(.*\)/etc/grafana.ini$|\1|p' | head -n 1)
# What a process says of itself is its user's word: nothing but a generation of ours is read.
n=${g#"$1/generations/"}
case $n in "$g" | '' | *[!0-9a-f]*) exit 0 ;; esac
key() { sed -n '/^\[metrics\]$/,/^\[/s/^basic_auth_'"$1"' *= *//p' "$g/etc/grafana.ini" | head -n 1; }
key username
f=$g/etc/secrets/metrics.basic_auth_password
if [ -f "$f" ]; then head -c 4096 "$f"; else key password; fi
