package labtest

import (
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"testing"
)

// ownPort is a port of svc that nobody else is likely to have.
func ownPort() int {
	h := fnv.New32a()
	h.Write([]byte(rand.Text()))
	return 10000 + int(h.Sum32()%20000)
}

// server runs a program on svc as a unit that tells systemd when it is ready,
// until the test ends. Below /tmp/<unit> is its folder, empty at first.
func (l *Lab) server(t testing.TB, unit, user, prepare, command string) {
	t.Helper()
	t.Cleanup(func() { l.Sh(t, "svc", fmt.Sprintf("systemctl stop %s || true; rm -rf /tmp/%s", unit, unit)) })
	l.Sh(t, "svc", fmt.Sprintf(`set -e
		cd / && install -d -o %[2]s -g %[2]s -m 700 /tmp/%[1]s
		%[3]s
		systemd-run -q --collect --unit=%[1]s --property=Type=notify --property=NotifyAccess=all --uid=%[2]s %[4]s`, unit, user, prepare, command))
}

// Redis starts a Redis server on svc for this test alone, without a password,
// and returns its address. It ends with the test.
func (l *Lab) Redis(t testing.TB) string {
	t.Helper()
	port := ownPort()
	l.redis(t, port, "", fmt.Sprintf("--port %d", port))
	return fmt.Sprintf("%s:%d", l.Host("svc"), port)
}

func (l *Lab) redis(t testing.TB, port int, prepare, options string) {
	t.Helper()
	unit := fmt.Sprintf("redis-%d", port)
	l.server(t, unit, "redis", prepare, "redis-server "+options+
		" --bind 0.0.0.0 :: --protected-mode no --save '' --appendonly no --supervised systemd --dir /tmp/"+unit)
}

// RedisTLS starts a Redis server that speaks TLS only, and only to clients with a
// certificate of ca.
func (l *Lab) RedisTLS(t testing.TB, ca *CA) string {
	t.Helper()
	port := ownPort()
	dir := fmt.Sprintf("/tmp/redis-%d", port)
	l.redis(t, port, l.certificates(t, ca, dir, "redis"), fmt.Sprintf(
		"--port 0 --tls-port %d --tls-cert-file %[2]s/server.crt --tls-key-file %[2]s/server.key --tls-ca-cert-file %[2]s/ca.crt --tls-auth-clients yes", port, dir))
	return fmt.Sprintf("%s:%d", l.Host("svc"), port)
}

// RedisCluster starts a Redis Cluster of so many masters and returns their
// addresses, separated by commas.
func (l *Lab) RedisCluster(t testing.TB, masters int) string {
	t.Helper()
	var ports, addresses []string
	for range masters {
		port := ownPort()
		l.redis(t, port, "", fmt.Sprintf("--port %d --cluster-enabled yes --cluster-announce-ip %s", port, l.Host("svc")))
		ports = append(ports, fmt.Sprint(port))
		addresses = append(addresses, fmt.Sprintf("%s:%d", l.Host("svc"), port))
	}
	// What redis-cli --cluster create does, which takes three or more.
	l.Sh(t, "svc", fmt.Sprintf(`set -e
		ports=(%[1]s) n=${#ports[@]}
		for i in ${!ports[@]}; do
			redis-cli -p ${ports[i]} cluster addslotsrange $((16384 * i / n)) $((16384 * (i + 1) / n - 1)) >/dev/null
			redis-cli -p ${ports[i]} cluster set-config-epoch $((i + 1)) >/dev/null
		done
		for p in ${ports[@]}; do redis-cli -p $p cluster meet %[2]s ${ports[0]} >/dev/null; done
		for p in ${ports[@]}; do
			for i in $(seq 200); do
				if redis-cli -p $p cluster info | grep -q cluster_state:ok && [ $(redis-cli -p $p cluster nodes | grep -c ' connected ') = $n ]; then continue 2; fi
				sleep .05
			done
			redis-cli -p $p cluster info >&2; exit 1
		done`, strings.Join(ports, " "), l.Host("svc")))
	return strings.Join(addresses, ",")
}

// PostgresTLS starts a PostgreSQL server that speaks TLS only, and only to
// clients with a certificate of ca. It has the database given and the user grafana
// with the password "grafana".
func (l *Lab) PostgresTLS(t testing.TB, ca *CA, database string) string {
	t.Helper()
	port := ownPort()
	unit := fmt.Sprintf("postgres-%d", port)
	dir := "/tmp/" + unit
	l.server(t, unit, "postgres", l.certificates(t, ca, dir, "postgres")+fmt.Sprintf(`
		bin=$(echo /usr/lib/postgresql/*/bin)
		su postgres -c "$bin/initdb --no-sync --no-locale -E UTF8 -A trust -D %[1]s/data" >/dev/null
		echo 'local all all trust
hostssl all all samenet scram-sha-256 clientcert=verify-ca' >%[1]s/data/pg_hba.conf`, dir),
		fmt.Sprintf(`$bin/postgres -D %[2]s/data -p %[1]d -c listen_addresses='*' -c unix_socket_directories=%[2]s -c fsync=off -c shared_buffers=16MB \
		-c ssl=on -c ssl_cert_file=%[2]s/server.crt -c ssl_key_file=%[2]s/server.key -c ssl_ca_file=%[2]s/ca.crt
		psql -q -v ON_ERROR_STOP=1 -h %[2]s -p %[1]d -U postgres -c "CREATE ROLE grafana LOGIN PASSWORD 'grafana'" -c "CREATE DATABASE %[3]s OWNER grafana"`,
			port, dir, database))
	return fmt.Sprintf("%s:%d", l.Host("svc"), port)
}

// MariaDBTLS is PostgresTLS with a MariaDB server.
func (l *Lab) MariaDBTLS(t testing.TB, ca *CA, database string) string {
	t.Helper()
	port := ownPort()
	unit := fmt.Sprintf("mariadb-%d", port)
	dir := "/tmp/" + unit
	l.server(t, unit, "mysql", l.certificates(t, ca, dir, "mysql")+fmt.Sprintf(`
		mariadb-install-db --no-defaults --user=mysql --datadir=%s/data --auth-root-authentication-method=socket --skip-test-db --skip-name-resolve >/dev/null`, dir),
		fmt.Sprintf(`/usr/sbin/mariadbd --no-defaults --datadir=%[2]s/data --socket=%[2]s/sock --port=%[1]d --bind-address=0.0.0.0 --skip-name-resolve \
		--innodb-buffer-pool-size=32M --innodb-flush-log-at-trx-commit=0 --require-secure-transport=ON \
		--ssl-ca=%[2]s/ca.crt --ssl-cert=%[2]s/server.crt --ssl-key=%[2]s/server.key
		mariadb --no-defaults -S %[2]s/sock -u root -e "CREATE DATABASE %[3]s CHARACTER SET utf8mb4;
			CREATE USER grafana@'%%' IDENTIFIED BY 'grafana' REQUIRE X509; GRANT ALL ON %[3]s.* TO grafana@'%%'"`,
			port, dir, database))
	return fmt.Sprintf("%s:%d", l.Host("svc"), port)
}

// certificates is a script that puts what a server needs into dir on svc: ca.crt,
// server.crt for svc's address, and server.key, which is the user's.
func (l *Lab) certificates(t testing.TB, ca *CA, dir, user string) string {
	t.Helper()
	pair := ca.Issue(t, "server", l.Host("svc"))
	var b strings.Builder
	for name, file := range map[string]string{"ca.crt": ca.File, "server.crt": pair.Cert, "server.key": pair.Key} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "install -o %[1]s -m 600 /dev/null %[2]s/%[3]s\ncat >%[2]s/%[3]s <<'PEM'\n%[4]sPEM\n", user, dir, name, text)
	}
	return b.String()
}
