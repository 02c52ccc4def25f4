package database

import (
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// The server says what it is before role and database are made, and after.
func TestLabServerSaysWhatItIs(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		want := map[string]grafana.Product{"postgres": grafana.PostgreSQL, "mysql": grafana.MariaDB}[db.Type]
		ask := func(when string) {
			s, err := Server(t.Context(), h, db)
			if err != nil || s.Product != want || s.Number[0] < 10 {
				t.Errorf("%s: %s (%q), %v, want %s", when, s, s.Text, err, want)
			}
		}
		ask("before role and database are made")
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		ask("after")
		db.Create, db.Password = nil, inventory.NewSecret("wrong", "literal")
		if s, err := Server(t.Context(), h, db); err == nil {
			t.Errorf("a wrong password tells %s", s)
		}
	})
}
