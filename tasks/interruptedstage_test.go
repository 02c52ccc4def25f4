package tasks

import (
	"strings"
	"testing"
	"testing/synctest"
)

// Ctrl-C while an upgrade is staged ends it before the first turn, and names the command
// that upgrades, which apply would not.
func TestAnUpgradeThatIsInterruptedWhileStagingNamesItself(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		s := newScripted(t, "h1", "h2")
		s.deployed(t)
		asked := make(chan struct{})
		close(asked)
		r := s.runner("upgrade --to 10.3.2", Options{Interrupt: asked})
		defer r.Close()
		_, err := r.Upgrade(t.Context(), "10.3.2")
		if err == nil || !strings.HasSuffix(err.Error(), "next: ghadeploy upgrade INVENTORY --to 10.3.2") {
			t.Errorf("it ends with: %v", err)
		}
		if turns := s.turns(); len(turns) > 0 {
			t.Errorf("turns were taken: %v", turns)
		}
	})
}
