# shellcheck shell=bash
# The services host: PostgreSQL and MariaDB (database, user and password
# "grafana"; superuser labadmin/labadmin), Redis on 6379 without a password and
# on 6380 with "labredis", Redis Sentinel on 26379 (master "mymaster"), HAProxy
# on 80 (statistics on 8404) and nginx on 81 in front of every h*:3000.

svc_files() { # svc_files ROOT: configuration that is the same in every lab
  local r=$1 pg
  pg=$(ls "$r/etc/postgresql")
  # a process that is killed loses nothing without fsync; only a machine that loses power does
  printf "listen_addresses = '*'\nshared_buffers = 32MB\nmax_connections = 300\nfsync = off\n" >"$r/etc/postgresql/$pg/main/conf.d/lab.conf"
  echo "host all all samenet scram-sha-256" >>"$r/etc/postgresql/$pg/main/pg_hba.conf"
  printf '[mysqld]\nbind-address = 0.0.0.0\nskip-name-resolve\ninnodb_log_file_size = 16M\ninnodb_buffer_pool_size = 64M\ninnodb_flush_log_at_trx_commit = 0\nmax_connections = 300\n' \
    >"$r/etc/mysql/mariadb.conf.d/90-lab.cnf"
  sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/; s/^databases .*/databases 64/' "$r/etc/redis/redis.conf"
  sed 's/^port .*/port 6380/; s#/var/run/redis/#/run/redis-auth/#; s#redis-server.log#redis-auth.log#; s#^dir .*#dir /var/lib/redis-auth#; $a requirepass labredis' \
    "$r/etc/redis/redis.conf" >"$r/etc/redis/redis-auth.conf"
  chroot "$r" install -d -o redis -g redis -m 750 /var/lib/redis-auth
  chroot "$r" chown redis:redis /etc/redis/redis-auth.conf
  mkdir -p "$r/etc/systemd/system/redis-server@auth.service.d"
  printf '[Service]\nReadWriteDirectories=-/var/lib/redis-auth\n' >"$r/etc/systemd/system/redis-server@auth.service.d/lab.conf"
  chroot "$r" systemctl enable -q redis-server@auth.service
  rm -f "$r/etc/nginx/sites-enabled/default"
  : >"$r/etc/nginx/conf.d/lab.conf"
}

svc_accounts() { # svc_accounts ROOT: made with the servers running for a moment, without a network
  in_root "$1" bash -c '
    set -e
    pg=$(ls /etc/postgresql)
    pg_ctlcluster $pg main start
    su postgres -c "psql -q -v ON_ERROR_STOP=1" <<SQL
CREATE ROLE grafana LOGIN PASSWORD '\''grafana'\'';
CREATE DATABASE grafana OWNER grafana;
CREATE ROLE labadmin SUPERUSER LOGIN PASSWORD '\''labadmin'\'';
SQL
    pg_ctlcluster -m fast $pg main stop
    install -d -o mysql -g mysql /run/mysqld
    /usr/sbin/mariadbd --user=mysql --skip-networking >/dev/null 2>&1 & m=$!
    for i in $(seq 100); do mariadb-admin -s ping >/dev/null 2>&1 && break; sleep .2; done
    mariadb <<SQL
CREATE DATABASE grafana CHARACTER SET utf8mb4;
CREATE USER grafana@'\''%'\'' IDENTIFIED BY '\''grafana'\'';
GRANT ALL ON grafana.* TO grafana@'\''%'\'';
CREATE USER labadmin@'\''%'\'' IDENTIFIED BY '\''labadmin'\'';
GRANT ALL ON *.* TO labadmin@'\''%'\'' WITH GRANT OPTION;
SQL
    mariadb-admin shutdown
    wait $m || true'
}

svc_identity() { # svc_identity ROOT: what depends on the lab's network
  printf 'port 26379\nbind 0.0.0.0\nprotected-mode no\ndaemonize yes\nsupervised systemd\npidfile /run/sentinel/redis-sentinel.pid\nlogfile /var/log/redis/redis-sentinel.log\ndir /var/lib/redis\nsentinel monitor mymaster %s.10 6379 1\nsentinel down-after-milliseconds mymaster 2000\n' \
    "$NET" >"$1/etc/redis/sentinel.conf"
  balancer_files "$1"
  balanced >"$R/balanced"
}

balanced() { hosts_known | tr '\n' ' '; } # the hosts that the balancers were told of

balancer_files() { # balancer_files ROOT: HAProxy's and nginx's view of the hosts
  local h cfg=$1/etc/haproxy/haproxy.cfg servers=()
  mapfile -t servers < <(hosts_known | grep '^h')
  {
    sed '/^frontend lab/,$d' "$cfg"
    printf 'frontend lab_stats\n\tbind *:8404\n\tstats enable\n\tstats uri /\n'
    printf 'frontend lab_grafana\n\tbind *:80\n\tdefault_backend lab_grafana\n'
    printf 'backend lab_grafana\n\toption httpchk GET /api/health\n\toption redispatch 1\n\tretries 3\n'
    for h in "${servers[@]}"; do printf '\tserver %s %s:3000 check inter 1s\n' "$h" "$(ip_of "$h")"; done
  } >"$R/haproxy.cfg"
  cat "$R/haproxy.cfg" >"$cfg"
  {
    printf 'upstream lab_grafana {\n'
    for h in "${servers[@]}"; do printf '\tserver %s:3000; # %s\n' "$(ip_of "$h")" "$h"; done
    printf '}\nmap $http_upgrade $lab_connection {\n\tdefault upgrade;\n\t"" "";\n}\n'
    printf 'server {\n\tlisten 81;\n\tlocation / {\n\t\tproxy_pass http://lab_grafana;\n\t\tproxy_http_version 1.1;\n'
    printf '\t\tproxy_set_header Host $http_host;\n\t\tproxy_set_header Upgrade $http_upgrade;\n\t\tproxy_set_header Connection $lab_connection;\n\t}\n}\n'
  } >"$1/etc/nginx/conf.d/lab.conf"
}

# svc_balancers tells the running balancers when `up` changed the number of hosts.
svc_balancers() {
  [ "$(balanced)" != "$(cat "$R/balanced" 2>/dev/null)" ] || return 0
  balancer_files "$R/svc/root" # one overlay, seen from both sides
  ssh "${SSH_OPTS[@]}" "root@$(ip_of svc)" 'systemctl reload-or-restart haproxy nginx' || die "svc: the balancers did not reload"
  balanced >"$R/balanced"
}

svc_sh() { ssh "${SSH_OPTS[@]}" "root@$(ip_of svc)" bash -s -- "$@"; }

svc_db() { # svc_db NAME...
  local n
  [ $# -gt 0 ] || die "db: which database?"
  for n; do [[ $n =~ ^[a-z][a-z0-9_]{0,62}$ ]] || die "db: a name is made of a-z, 0-9 and _, not '$n'"; done
  svc_sh "$@" <<'SH'
set -e
cd /
for n; do
  su postgres -c 'psql -q -v ON_ERROR_STOP=1' <<SQL
SET client_min_messages = warning;
DROP DATABASE IF EXISTS $n WITH (FORCE);
CREATE DATABASE $n OWNER grafana TEMPLATE template0;
SQL
  mariadb <<SQL
DROP DATABASE IF EXISTS $n;
CREATE DATABASE $n CHARACTER SET utf8mb4;
GRANT ALL ON $n.* TO grafana@'%';
SQL
done
SH
}

svc_flush() {
  svc_sh <<'SH'
set -e
redis-cli FLUSHALL >/dev/null
REDISCLI_AUTH=labredis redis-cli -p 6380 FLUSHALL >/dev/null
SH
}
