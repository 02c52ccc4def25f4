package tasks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote"
)

// A name that only the OpenSSH configuration knows is reached where that says.
func TestAnAliasOfTheSSHConfigurationIsResolved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("Host *.invalid\n  User ops\nHost alias.invalid\n  HostName 10.0.0.7\nHost here.invalid\n  HostName 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ address, want, refused string }{
		"an alias":              {address: "alias.invalid", want: "10.0.0.7"},
		"an IP":                 {address: "10.0.0.8", want: "10.0.0.8"},
		"IPv6":                  {address: "[2001:db8::1]", want: "2001:db8::1"},
		"unknown everywhere":    {address: "other.invalid", refused: "hosts: {h1: {address: "},
		"an alias of this host": {address: "here.invalid", refused: "HostName 127.0.0.1 of the ssh configuration resolves to 127.0.0.1 here"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster("h1")
			c.Hosts[0].Address = tt.address
			r := New(c, Options{Dialer: &remote.Dialer{ConfigFiles: []string{file}}})
			defer r.Close()
			ips, err := r.addresses(t.Context())
			if tt.refused != "" {
				if e, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(e.Message, tt.refused) {
					t.Errorf("error %v, want %q in it", err, tt.refused)
				}
				return
			}
			if err != nil || ips["h1"] != tt.want {
				t.Errorf("%q, %v, want %s", ips["h1"], err, tt.want)
			}
		})
	}
}
