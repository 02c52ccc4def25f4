package check

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// Redis has no login that hides the password: that is told, where somebody can listen.
func TestAPasswordThatTravelsInClearIsTold(t *testing.T) {
	secret := inventory.NewSecret("x", "literal")
	for name, tt := range map[string]struct {
		cfg  inventory.Redis
		told bool
	}{
		"in clear":     {inventory.Redis{Address: "redis:6379", Password: secret}, true},
		"to whoever":   {inventory.Redis{Address: "redis:6379", Password: secret, TLS: &inventory.RedisTLS{InsecureSkipVerify: true}}, true},
		"TLS":          {inventory.Redis{Address: "redis:6379", Password: secret, TLS: &inventory.RedisTLS{}}, false},
		"on the host":  {inventory.Redis{Address: "127.0.0.1:6379", Password: secret}, false},
		"no password":  {inventory.Redis{Address: "redis:6379"}, false},
		"several ones": {inventory.Redis{Address: "127.0.0.1:6379,redis:6379", Password: secret, Cluster: true}, true},
	} {
		if got := len(openPassword(tt.cfg)) > 0; got != tt.told {
			t.Errorf("%s: told %v, want %v", name, got, tt.told)
		}
	}
}

// A database that wants Grafana's own password in clear is a warning: Grafana gives it.
// One that wants the administrator's is the end of the run.
func TestADatabaseThatWantsAPasswordInClear(t *testing.T) {
	hosts := fakeHosts(goodFacts())
	in := &database.InsecureError{Type: "postgres", Wanted: "the password in clear"}
	r := &run{Input: Input{Cluster: cluster(hosts...)}}
	f := r.loginFailure(t.Context(), hosts[0], &database.LoginError{Kind: database.Insecure, Cause: in})
	if f.Severity != Warning || !strings.Contains(f.Fix, "verify-full") {
		t.Errorf("got %+v", f)
	}
	r.Cluster.Database.Create = &inventory.Credentials{User: "postgres"}
	if fix := r.createFix(&database.LoginError{Kind: database.Insecure, Cause: &database.InsecureError{Type: "postgres", Admin: true}}); !strings.Contains(fix, "leave database.create out") {
		t.Errorf("fix %q", fix)
	}
}
