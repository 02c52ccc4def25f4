package database

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// DefaultBackupDir is where dumps lie on a host unless database.backup.dir says otherwise.
const DefaultBackupDir = "/var/lib/ghadeploy/backups"

// stamp is the time in a dump's name; its order as text is its order in time.
const stamp = "20060102T150405Z"

// Backup is one dump on one host.
type Backup struct {
	Host string `json:"host"`
	// Path is empty when database.backup.command keeps the dump somewhere of its own.
	Path    string    `json:"path,omitempty"`
	Version string    `json:"version,omitempty"` // of the Grafana that wrote the data
	Time    time.Time `json:"time"`
	Size    int64     `json:"size"` // bytes
	SHA256  string    `json:"sha256,omitempty"`
	// Counts are of the content when the dump was begun; nil: not recorded.
	Counts Counts `json:"counts,omitempty"`
}

// BackupOptions say what a dump is called.
type BackupOptions struct {
	Cluster string
	// Version is the Grafana version that runs on the database now.
	Version string
	// Extra dumps are kept beyond database.backup.keep: one that is about to be put back
	// must not go.
	Extra int
}

//go:embed dump.sh
var dumpScript string

//go:embed finish.sh
var finishScript string

//go:embed low.sh
var lowScript string

//go:embed verify.sh
var verifyScript string

//go:embed restore.sh
var restoreScript string

// tools are what a host needs, and the packages that bring them.
var tools = map[string]struct{ commands, debian, redhat string }{
	"postgres": {"pg_dump pg_restore psql", "postgresql-client", "postgresql"},
	"mysql":    {"mysqldump|mariadb-dump mysql|mariadb", "default-mysql-client", "mariadb"},
}

// NoToolsError is that no host has the database's dump tools.
type NoToolsError struct {
	Hosts []string
	Type  string // database.type
}

// Error says what is missing, and what to do.
func (e *NoToolsError) Error() string { return "back up the database: " + e.What() + "; " + e.Fix() }

// What is missing, and where.
func (e *NoToolsError) What() string {
	hosts := strings.Replace(strings.Join(e.Hosts, ", "), Operator, "this machine", 1)
	return fmt.Sprintf("none of %s has %s", hosts, tools[e.Type].commands)
}

// Fix says what to install, or what to write instead.
func (e *NoToolsError) Fix() string {
	t := tools[e.Type]
	return fmt.Sprintf("install them on one host (apt-get install %s, or dnf install %s; not older than the server) or on this machine, or set database.backup.command", t.debian, t.redhat)
}

// HasTools tells whether a host with these commands can dump a database of the type
// and restore it.
func HasTools(kind string, has func(command string) bool) bool {
	for either := range strings.FieldsSeq(tools[kind].commands) {
		if !slices.ContainsFunc(strings.Split(either, "|"), has) {
			return false
		}
	}
	return true
}

// PickHost is where [Dump] runs: database.backup.on, or the first host that has the
// tools, or else this machine, when it has them. The error is a *[NoToolsError] when
// none has. With a backup command no tools are looked for.
func PickHost(ctx context.Context, hosts []fleet.Host, db inventory.Database) (fleet.Host, error) {
	if db.Backup.On == Operator && len(hosts) > 0 {
		here := OperatorHost(hosts[0])
		if db.Backup.Command == "" && !OperatorHas(db.Type) {
			return here, &NoToolsError{Type: db.Type, Hosts: []string{Operator}}
		}
		return here, nil
	}
	if db.Backup.On != "" {
		i := slices.IndexFunc(hosts, func(h fleet.Host) bool { return h.Name == db.Backup.On })
		if i < 0 {
			return fleet.Host{}, fmt.Errorf("database.backup.on: host %s is not part of this run", db.Backup.On)
		}
		hosts = hosts[i : i+1]
	}
	if len(hosts) == 0 {
		return fleet.Host{}, errors.New("back up the database: there is no host to do it on")
	}
	if db.Backup.Command != "" {
		return hosts[0], nil
	}
	return firstWithTools(ctx, hosts, db)
}

// firstWithTools is the first host that has them, or else this machine, where the
// inventory names none.
func firstWithTools(ctx context.Context, hosts []fleet.Host, db inventory.Database) (fleet.Host, error) {
	missing := &NoToolsError{Type: db.Type}
	for _, h := range hosts {
		ok, err := hasTools(ctx, h, db.Type)
		if err != nil {
			return fleet.Host{}, err
		}
		if ok {
			return h, nil
		}
		missing.Hosts = append(missing.Hosts, h.Name)
	}
	if db.Backup.On == "" {
		if OperatorHas(db.Type) {
			return OperatorHost(hosts[0]), nil
		}
		missing.Hosts = append(missing.Hosts, Operator)
	}
	return fleet.Host{}, missing
}

func hasTools(ctx context.Context, h fleet.Host, kind string) (bool, error) {
	const script = `for w; do f=; for c in $(echo "$w" | tr '|' ' '); do command -v "$c" >/dev/null 2>&1 && f=1; done; [ -n "$f" ] || { echo missing; exit 0; }; done; echo ok`
	// As root, because the dump will run as root and PATH differs.
	res, err := h.Run(ctx, remote.Command{Script: script, Args: strings.Fields(tools[kind].commands), Become: true, Timeout: 10 * time.Second,
		Step: "look for the database's dump tools"})
	if err != nil {
		return false, err
	}
	return strings.TrimSpace(string(res.Stdout)) == "ok", nil
}

// Dump makes a dump on host and verifies that it can be read back. It appears
// under its name complete or not at all, readable by root only, and the oldest of
// this cluster beyond database.backup.keep are removed. The deadline is ctx's: a
// dump takes as long as the database is large.
func Dump(ctx context.Context, host fleet.Host, db inventory.Database, opts BackupOptions) (Backup, error) {
	now := time.Now().UTC()
	b := Backup{Host: host.Name, Version: opts.Version, Time: now.Truncate(time.Second)}
	dir, err := backupDir(host, db, opts.Cluster)
	if err != nil {
		return b, err
	}
	final := path.Join(dir, fmt.Sprintf("%s-%s-%s.dump", opts.Cluster, now.Format(stamp), opts.Version))
	b.Counts = countsBefore(ctx, host, db)
	if db.Backup.Command != "" {
		if b, err = dumpByCommand(ctx, host, db, opts, b, final); err == nil && b.Path != "" {
			err = noteCounts(ctx, host, b)
		}
		return b, err
	}
	if ok, err := hasTools(ctx, host, db.Type); err != nil {
		return b, err
	} else if !ok {
		return b, &NoToolsError{Hosts: []string{host.Name}, Type: db.Type}
	}
	reach, err := reachFrom(ctx, host, db)
	if err != nil {
		return b, err
	}
	args, stdin, err := toolInput(db, reach)
	if err != nil {
		return b, reach.Close(err)
	}
	args = append(args, final, familyPattern(opts.Cluster), keep(db, opts))
	res, err := host.Run(ctx, remote.Command{Script: lowScript + dumpScript + finishScript, Args: args, Become: true, Stdin: stdin,
		Timeout: -1, LowPriority: true, Step: "dump the database"})
	if err = reach.Close(err); err != nil {
		return b, err
	}
	if err := b.read(host.Name, final, string(res.Stdout)); err != nil {
		return b, err
	}
	return b, noteCounts(ctx, host, b)
}

// keep is how many dumps stay.
func keep(db inventory.Database, opts BackupOptions) string {
	return strconv.Itoa(cmp.Or(db.Backup.Keep, 5) + opts.Extra)
}

// read takes size and hash from what the script printed last.
func (b *Backup) read(host, final, out string) error {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if _, err := fmt.Sscanf(lines[len(lines)-1], "dump %d %s", &b.Size, &b.SHA256); err != nil {
		return fmt.Errorf("%s: dump the database: no size and hash came back: %q", host, lines[len(lines)-1])
	}
	b.Path = final
	return nil
}

// commandScript runs database.backup.command; when it made the file
// $GHADEPLOY_DUMP that is kept like a dump of our own.
const commandScript = `set -eu
umask 077
GHADEPLOY_CLUSTER=$1 GHADEPLOY_VERSION=$2 GHADEPLOY_DATABASE_TYPE=$3 GHADEPLOY_DATABASE_HOST=$4 GHADEPLOY_DATABASE_NAME=$5 GHADEPLOY_DATABASE_USER=$6
final=$7 family=$8 keep=$9; shift 9
part=$final.tmp dir=${final%/*} GHADEPLOY_DUMP=$final.tmp
export GHADEPLOY_CLUSTER GHADEPLOY_VERSION GHADEPLOY_DATABASE_TYPE GHADEPLOY_DATABASE_HOST GHADEPLOY_DATABASE_NAME GHADEPLOY_DATABASE_USER GHADEPLOY_DUMP
mkdir -p "$dir"
trap 'rm -f "$part"' EXIT
trap 'exit 130' HUP INT TERM
sh -c "$1" >&2
[ -e "$part" ] || { echo "dump 0 -"; exit 0; }
[ -s "$part" ] || { echo "the backup command left an empty file" >&2; exit 1; }
`

// dumpByCommand runs the operator's own command as root on host. It gets no
// password: where it needs one it has its own.
func dumpByCommand(
	ctx context.Context, host fleet.Host, db inventory.Database, opts BackupOptions, b Backup, final string,
) (Backup, error) {
	args := []string{opts.Cluster, opts.Version, db.Type, db.Host, db.Name, db.User,
		final, familyPattern(opts.Cluster), keep(db, opts), db.Backup.Command}
	res, err := host.Run(ctx, remote.Command{Script: commandScript + finishScript, Args: args, Become: true, Timeout: -1, LowPriority: true,
		Step: "run database.backup.command"})
	if err != nil {
		return b, err
	}
	if err := b.read(host.Name, final, string(res.Stdout)); err != nil {
		return b, err
	}
	if b.SHA256 == "-" {
		b.Path, b.SHA256 = "", ""
	}
	return b, nil
}

// familyPattern matches the names of this cluster's dumps and of no other's,
// also when that one is called "<cluster>-b".
func familyPattern(cluster string) string {
	return regexp.QuoteMeta(cluster) + `-[0-9]{8}T[0-9]{6}Z-[^/]*\.dump`
}

// usualPort is a server's without one in database.host.
func usualPort(kind string) int { return map[string]int{"postgres": 5432, "mysql": 3306}[kind] }

// reachFrom is how the tools on a host reach the database: nil where they dial it
// themselves.
func reachFrom(ctx context.Context, host fleet.Host, db inventory.Database) (*relay, error) {
	via, here := onOperator(host)
	if !here {
		return nil, nil
	}
	return openRelay(ctx, via, db)
}

// toolInput is the first six arguments of the scripts, and their standard input. With a
// relay the tools know nothing of TLS: the relay speaks it.
func toolInput(db inventory.Database, reach *relay) ([]string, *bytes.Buffer, error) {
	host, port, err := hostPort(db.Host, usualPort(db.Type))
	if err != nil {
		return nil, nil, err
	}
	var in bytes.Buffer
	line := func(content []byte) { in.WriteString(base64.StdEncoding.EncodeToString(content) + "\n") }
	ssl := cmp.Or(db.SSLMode, "disable")
	certificates, socket := []string{db.CACert, db.ClientCert, db.ClientKey}, ""
	if reach != nil {
		host, port, ssl, certificates = reach.dir, 5432, "relay", []string{"", "", ""}
		socket = path.Join(reach.dir, ".s.PGSQL."+socketPort)
	}
	if db.Type == "postgres" {
		escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
		line([]byte("*:*:*:*:" + escape.Replace(db.Password.Reveal()) + "\n"))
	} else {
		line([]byte(optionFile(db, host, port, socket)))
	}
	for _, file := range certificates {
		var content []byte
		if file != "" {
			if content, err = localfile.Read(context.Background(), file, localfile.Small); err != nil {
				return nil, nil, fmt.Errorf("read the database's certificates: %w", err)
			}
		}
		line(content)
	}
	return []string{db.Type, host, strconv.Itoa(port), db.User, db.Name, ssl}, &in, nil
}

// optionFile is the login for MySQL's tools: over TCP, or a socket when there is one.
func optionFile(db inventory.Database, host string, port int, socket string) string {
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
	}
	s := fmt.Sprintf("[client]\nuser=%s\npassword=%s\nloose-local-infile=0\n", quote(db.User), quote(db.Password.Reveal()))
	if socket != "" {
		return s + "protocol=socket\nsocket=" + quote(socket) + "\nloose-ssl-mode=DISABLED\nloose-skip-ssl\n"
	}
	s += fmt.Sprintf("host=%s\nport=%d\nprotocol=tcp\n", quote(host), port)
	// Both families of tools know these; "loose-" lets each skip the other's.
	switch db.SSLMode {
	case "true":
		return s + "loose-ssl-mode=VERIFY_IDENTITY\nloose-ssl-verify-server-cert\n"
	case "skip-verify":
		s += "loose-ssl-mode=REQUIRED\nloose-ssl\n"
	}
	return s + "loose-skip-ssl-verify-server-cert\n"
}
