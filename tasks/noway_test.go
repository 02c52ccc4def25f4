package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestNoWayBackOverMigrations: old code must not meet a schema that it does not know,
// nor one of which nobody can tell.
func TestNoWayBackOverMigrations(t *testing.T) {
	for _, tt := range []struct {
		name, from string
		before     migrationCount
		after      int
		err        error
		why        string // part of it; empty: it may go back
	}{
		{"same version", "10.4.0", migrationCount{}, 0, errors.New("gone"), ""},
		{"nothing ran before", "", migrationCount{}, 0, nil, ""},
		{"none ran", "10.3.1", migrationCount{526, true}, 526, nil, ""},
		{"some ran", "10.3.1", migrationCount{526, true}, 530, nil, "4 migrations ran"},
		{"not known before", "10.3.1", migrationCount{}, 526, nil, "does not say"},
		{"not known after", "10.3.1", migrationCount{526, true}, 0, errors.New("gone"), "does not say"},
	} {
		r := &rollout{migrations: func(context.Context) (int, error) { return tt.after, tt.err }}
		tn := turn{rollout: r, plan: &HostPlan{From: Deployed{Version: tt.from}, To: Deployed{Version: "10.4.0"}}}
		if why := tn.noWayBack(t.Context(), tt.before); (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.why)
		}
	}
}
