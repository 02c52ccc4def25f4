package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// The variables that .ci/test-world sets: what the hosts of the lab are, as the first
// cell of the row; the login; the database; and the file that the row is appended to.
const (
	worldRow      = "GHADEPLOY_WORLD_ROW"
	worldUser     = "GHADEPLOY_WORLD_USER"
	worldDatabase = "GHADEPLOY_WORLD_DATABASE"
	worldOut      = "GHADEPLOY_WORLD_OUT"
)

// worldFacts asks a host what it is made of, whatever its login shell.
const worldFacts = `echo "Debian $(cat /etc/debian_version), systemd $(systemctl --version | sed -n '1s/systemd \([0-9.~a-z]*\).*/\1/p'), ` +
	`OpenSSH $(dpkg-query -W -f '${Version}' openssh-server | sed 's/^[0-9]*://; s/p[0-9].*//'), ` +
	`$(sudo --version 2>&1 | sed -n '1s/Sudo version/sudo/p; 1s/^sudo-rs/&/p')"`

// A cluster on hosts as people have them is deployed, told to listen elsewhere, restarted,
// upgraded and rolled back; what `check` passes, `apply` can start.
func TestWorld(t *testing.T) {
	row, out := os.Getenv(worldRow), os.Getenv(worldOut)
	if out == "" {
		t.Skip("needs hosts of other releases: run `make test-world`")
	}
	lab := labtest.Need(t, "svc", "h1", "h2", "h3")
	lab.Lock(t)
	hosts := []string{"h1", "h2", "h3"}
	lab.Wipe(t, hosts...)
	service, ok := worldServices()[os.Getenv(worldDatabase)]
	if !ok {
		t.Fatalf("%s: there is no %q", worldDatabase, os.Getenv(worldDatabase))
	}
	c := &labCluster{Lab: lab, hosts: hosts, home: t.TempDir(), inv: lab.Inventory(t, labtest.Options{
		User: os.Getenv(worldUser), Database: service.kind, Version: labtest.V1031, Source: labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1032: nil})),
	})}
	var facts []string
	for _, h := range hosts {
		facts = append(facts, c.Sh(t, h, worldFacts))
	}
	slices.Sort(facts)
	cells := []string{row, strings.Join(append(slices.Compact(facts), c.Sh(t, "svc", worldServiceFacts)), "<br>")}
	service.use(t, c)
	broken := false
	for _, s := range worldSteps(service) {
		if broken {
			cells = append(cells, "")
			continue
		}
		said, err := s.run(t, c)
		if err != nil {
			t.Errorf("%s: %s: %v", row, s.name, err)
			said, broken = "**failed**: "+short(err.Error()), true
		}
		cells = append(cells, said)
	}
	if err := appendLine(out, "| "+strings.Join(cells, " | ")+" |\n"); err != nil {
		t.Fatal(err)
	}
}

type worldStep struct {
	name string
	run  func(t *testing.T, c *labCluster) (string, error)
}

// worldSteps are the columns of the table.
func worldSteps(service worldService) []worldStep {
	command := func(args ...string) func(*testing.T, *labCluster) (string, error) {
		return func(t *testing.T, c *labCluster) (string, error) {
			took, err := c.ran(t, args...)
			return seconds(took), err
		}
	}
	return []worldStep{
		{"check", command("check")},
		{"deploy", func(t *testing.T, c *labCluster) (string, error) {
			took, err := c.ran(t, "apply", "--yes")
			return seconds(took), errors.Join(err, c.nothingLeft(t))
		}},
		{"change of port", func(t *testing.T, c *labCluster) (string, error) {
			c.inv.Edit(t, func(doc map[string]any) {
				doc["grafana"].(map[string]any)["config"].(map[string]any)["server"] = map[string]any{"http_port": 3001}
			})
			took, err := c.ran(t, "apply", "--yes")
			return seconds(took), errors.Join(err, c.nothingLeft(t))
		}},
		{"restart", service.restart},
		{"upgrade", func(t *testing.T, c *labCluster) (string, error) {
			took, err := c.ran(t, "upgrade", "--to", labtest.V1032, "--no-backup", "--yes")
			return seconds(took), err
		}},
		{"rollback", func(t *testing.T, c *labCluster) (string, error) {
			took, err := c.ran(t, "rollback", "--yes")
			return seconds(took), errors.Join(err, c.allServe(t))
		}},
	}
}

// nothingLeft wants the next plan to be empty.
func (c *labCluster) nothingLeft(t *testing.T) error {
	t.Helper()
	if _, err := c.ran(t, "plan", "--detailed-exitcode"); err != nil {
		return fmt.Errorf("plan after it: %w", err)
	}
	return nil
}

// allServe wants every host to be healthy, as `status` sees it.
func (c *labCluster) allServe(t *testing.T) error {
	t.Helper()
	if r := labtest.Ghadeploy(t, "status", c.inv.Path); r.Code != 0 {
		return fmt.Errorf("status after it: exit %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	return nil
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}
