# shellcheck shell=bash
# What svc has besides, or instead of, its own services: svc=sid,with=mysql.
#
#   with=pgbouncer   PgBouncer on 6432 that pools sessions, in front of its PostgreSQL
#   with=valkey      Valkey in the place of redis-server (trixie and newer)
#   with=mysql       MySQL in the place of MariaDB (sid)
#   with=galera      a Galera cluster of three MariaDB on 3311 to 3313; HAProxy's 3309 leads to the first that lives
#   with=patroni     two PostgreSQL of Patroni over etcd on 5441 and 5442; HAProxy's 5440 leads to the leader
#
# Each is a layer over the services' layer, cached by a hash of this file and of what it lies on.

extra() { world_settings svc | sed -n 's/^with=//p'; }

extra_layer() { # its name in the cache; nothing where svc has nothing besides
  local e
  e=$(extra)
  [ -z "$e" ] || echo "svc-with-$e-$({ cat "$HERE/lib/extra.sh"; world_svc; world_base svc; } | sha256sum | cut -c1-12)"
}

# extra_remove WITH: what gives way to it.
extra_remove() { case $1 in mysql) echo 'mariadb-*' ;; esac; }

extra_packages() {
  case $1 in
    pgbouncer) echo pgbouncer ;;
    valkey) echo valkey-server ;;
    mysql) echo mysql-server ;;
    galera) echo rsync lsof socat ;;
    patroni) echo patroni etcd-server curl ;;
  esac
}

extra_build() { # the layer of svc, unless it is in the cache
  local t0=$SECONDS with part r log apt layer gone
  with=$(extra) layer=$(extra_layer)
  [ -n "$with" ] || return 0
  if [ -d "$C/$layer" ]; then touch "$C/$layer"; return 0; fi
  say "building the layer of $with"
  part=$C/$layer.part r=$part/root log=$D/logs/build-$with.log
  mkdir -p "$part/up" "$part/work" "$r"
  mount -t overlay overlay -o "lowerdir=$C/$(world_svc):$C/$(world_base svc),upperdir=$part/up,workdir=$part/work" "$r"
  printf '#!/bin/sh\nexit 101\n' >"$r/usr/sbin/policy-rc.d"
  chmod 755 "$r/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$r/etc/dpkg/dpkg.cfg.d/lab"
  gone=$(extra_remove "$with")
  apt=(apt-get -q -o "Dir=$r" -o "Dir::State::status=$r/var/lib/dpkg/status" -o APT::Sandbox::User=root)
  # shellcheck disable=SC2046
  if ! {
    { [ -z "$gone" ] || in_root "$r" --setenv=DEBIAN_FRONTEND=noninteractive bash -c "apt-get purge -yq '$gone' && rm -rf /var/lib/mysql /etc/mysql"; } &&
      "${apt[@]}" update && "${apt[@]}" install -y -d --no-install-recommends $(extra_packages "$with") &&
      in_root "$r" --setenv=DEBIAN_FRONTEND=noninteractive bash -c "
        apt-get install -yq --no-download --no-install-recommends $(extra_packages "$with" | tr '\n' ' ') && apt-get clean && rm -rf /var/lib/apt/lists/*" &&
      rm -f "$r/usr/sbin/policy-rc.d" "$r/etc/dpkg/dpkg.cfg.d/lab" && "extra_$with" "$r"
  } </dev/null >"$log" 2>&1; then
    umount "$r"
    die "building the layer of $with failed: $log"
  fi
  umount "$r"
  mv "$part/up" "$C/$layer"
  rm -rf "$part"
  say "layer of $with done in $((SECONDS - t0)) s"
}

extra_pgbouncer() { # extra_pgbouncer ROOT
  cat >"$1/etc/pgbouncer/pgbouncer.ini" <<'INI'
[databases]
* = host=127.0.0.1 port=5432
[pgbouncer]
listen_addr = *
listen_port = 6432
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = session
default_pool_size = 60
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
logfile = /var/log/postgresql/pgbouncer.log
pidfile = /run/postgresql/pgbouncer.pid
unix_socket_dir = /run/postgresql
INI
  echo '"grafana" "grafana"' >"$1/etc/pgbouncer/userlist.txt"
  chroot "$1" systemctl enable -q pgbouncer.service
}

extra_valkey() {
  chroot "$1" systemctl disable -q valkey-server.service
  ln -sf /usr/bin/valkey-server "$1/usr/local/bin/redis-server"
}

extra_mysql() {
  local d=$1/etc/mysql/mysql.conf.d
  mkdir -p "$d"
  printf '[mysqld]\nbind-address = *\nskip-name-resolve\ninnodb_buffer_pool_size = 64M\ninnodb_flush_log_at_trx_commit = 0\nmax_connections = 300\nmysqlx = 0\n' >"$d/zz-lab.cnf"
  ln -sf /usr/bin/mysql "$1/usr/local/bin/mariadb" # what lab.sh's db calls
  in_root "$1" bash -c '
    set -e
    install -d -o mysql -g mysql /run/mysqld
    /usr/sbin/mysqld --user=mysql --skip-networking & m=$!
    for i in $(seq 300); do mysqladmin -s ping >/dev/null 2>&1 && break; sleep .2; done
    mysql <<SQL
CREATE DATABASE grafana CHARACTER SET utf8mb4;
CREATE USER grafana@'\''%'\'' IDENTIFIED BY '\''grafana'\'';
GRANT ALL ON grafana.* TO grafana@'\''%'\'';
CREATE USER labadmin@'\''%'\'' IDENTIFIED BY '\''labadmin'\'';
GRANT ALL ON *.* TO labadmin@'\''%'\'' WITH GRANT OPTION;
SQL
    mysqladmin shutdown
    wait $m || true'
}

extra_galera() {
  local n
  mkdir -p "$1/etc/galera"
  for n in 1 2 3; do
    cat >"$1/etc/galera/$n.cnf" <<INI
[mysqld]
datadir = /var/lib/galera/$n
socket = /run/galera-$n/sock
pid-file = /run/galera-$n/pid
port = 331$n
bind-address = 0.0.0.0
skip-name-resolve
binlog_format = ROW
innodb_autoinc_lock_mode = 2
innodb_log_file_size = 16M
innodb_buffer_pool_size = 32M
innodb_flush_log_at_trx_commit = 0
max_connections = 200
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = lab
wsrep_cluster_address = gcomm://127.0.0.1:4571,127.0.0.1:4572,127.0.0.1:4573
wsrep_node_name = n$n
wsrep_node_address = 127.0.0.1:457$n
wsrep_sst_method = rsync
wsrep_sst_receive_address = 127.0.0.1:443$n
wsrep_provider_options = "gmcast.listen_addr=tcp://127.0.0.1:457$n; ist.recv_addr=127.0.0.1:458$n; gcache.size=32M"
INI
  done
  # The first that boots starts the cluster; a node that comes back joins the others.
  cat >"$1/etc/systemd/system/galera@.service" <<'UNIT'
[Unit]
Description=Galera node %i
After=network.target
[Service]
Type=notify
User=mysql
RuntimeDirectory=galera-%i
StateDirectory=galera
ExecStartPre=/bin/sh -c '[ -d /var/lib/galera/%i/mysql ] || mariadb-install-db --user=mysql --datadir=/var/lib/galera/%i --skip-test-db >/dev/null'
ExecStart=/bin/sh -c '[ %i = 1 ] && [ ! -e /var/lib/galera/%i/was ] && new=--wsrep-new-cluster; touch /var/lib/galera/%i/was; exec /usr/sbin/mariadbd --defaults-file=/etc/galera/%i.cnf $new'
TimeoutStartSec=180
Restart=no
[Install]
WantedBy=multi-user.target
UNIT
  mkdir -p "$1/etc/systemd/system/galera@2.service.d" "$1/etc/systemd/system/galera@3.service.d"
  printf '[Unit]\nAfter=galera@1.service\n' >"$1/etc/systemd/system/galera@2.service.d/lab.conf"
  printf '[Unit]\nAfter=galera@2.service\n' >"$1/etc/systemd/system/galera@3.service.d/lab.conf"
  chroot "$1" systemctl enable -q galera@1.service galera@2.service galera@3.service
  {
    printf 'listen galera\n\tmode tcp\n\tbind *:3309\n\ttimeout client 1h\n\ttimeout server 1h\n'
    for n in 1 2 3; do
      printf '\tserver n%s 127.0.0.1:331%s check inter 500 fall 2 rise 4 on-marked-down shutdown-sessions%s\n' $n $n "$([ $n = 1 ] || echo ' backup')"
    done
  } >>"$1/etc/haproxy/haproxy.cfg"
}

extra_patroni() {
  local n pg
  pg=$(ls "$1/etc/postgresql")
  mkdir -p "$1/etc/patroni-lab"
  for n in 1 2; do
    cat >"$1/etc/patroni-lab/$n.yml" <<YAML
scope: lab
name: p$n
restapi: {listen: "127.0.0.1:844$n", connect_address: "127.0.0.1:844$n"}
etcd3: {host: "127.0.0.1:2379"}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 3
    retry_timeout: 3
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 200, shared_buffers: 32MB}
  initdb: [{encoding: UTF8}, data-checksums]
postgresql:
  listen: "0.0.0.0:544$n"
  connect_address: "127.0.0.1:544$n"
  data_dir: /var/lib/patroni-lab/$n
  bin_dir: /usr/lib/postgresql/$pg/bin
  pgpass: /var/lib/patroni-lab/pgpass$n
  pg_hba: ["local all all trust", "host replication all 127.0.0.1/32 trust", "host all all 127.0.0.1/32 trust", "host all all samenet scram-sha-256"]
  authentication:
    superuser: {username: postgres, password: lab}
    replication: {username: replicator, password: lab}
  parameters: {unix_socket_directories: /var/lib/patroni-lab}
YAML
  done
  cat >"$1/etc/systemd/system/patroni-lab@.service" <<'UNIT'
[Unit]
Description=Patroni node %i
After=network.target etcd.service
[Service]
User=postgres
StateDirectory=patroni-lab
ExecStart=/usr/bin/patroni /etc/patroni-lab/%i.yml
KillMode=mixed
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
UNIT
  chroot "$1" systemctl disable -q patroni.service 2>/dev/null || true
  chroot "$1" systemctl enable -q etcd.service patroni-lab@1.service patroni-lab@2.service
  {
    printf 'listen patroni\n\tmode tcp\n\tbind *:5440\n\ttimeout client 1h\n\ttimeout server 1h\n\toption httpchk OPTIONS /primary\n\thttp-check expect status 200\n'
    for n in 1 2; do
      printf '\tserver p%s 127.0.0.1:544%s check port 844%s inter 1s fall 2 rise 1 on-marked-down shutdown-sessions\n' $n $n $n
    done
  } >>"$1/etc/haproxy/haproxy.cfg"
}
