package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// However few sessions sshd grants a connection, commands, a long one and an upload go
// on side by side.
func TestFewSessionsAConnectionAreEnough(t *testing.T) {
	for _, most := range []int32{1, 2, 3} {
		s := &remotetest.Server{MaxSessions: most}
		c := dialHost(t, s)
		long, err := c.Start(t.Context(), Command{Args: []string{"cat"}})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				res, err := c.Run(t.Context(), Command{Script: "cat; sleep 0.2; echo done", Stdin: strings.NewReader("in ")})
				if err != nil || string(res.Stdout) != "in done\n" {
					t.Errorf("%d: %v, %q", most, err, res.Stdout)
				}
			})
		}
		wg.Go(func() {
			if _, err := c.Put(t.Context(), smallUpload(t.TempDir()+"/f")); err != nil {
				t.Errorf("%d: %v", most, err)
			}
		})
		wg.Wait()
		long.Kill()
		if n := s.Connections.Load(); n < 2 || n > 1+maxMore {
			t.Errorf("%d sessions a connection: %d connections", most, n)
		}
	}
}

// Where sshd grants enough there is one connection, as ever.
func TestOneConnectionIsTheRule(t *testing.T) {
	s := &remotetest.Server{MaxSessions: 10}
	c := dialHost(t, s)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Run(t.Context(), Command{Args: []string{"true"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func smallUpload(path string) Upload {
	data := []byte("x")
	sum := sha256.Sum256(data)
	return Upload{Source: bytes.NewReader(data), Size: 1, SHA256: hex.EncodeToString(sum[:]), Path: path}
}
