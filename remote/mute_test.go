package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// misbehave serves session channels: exec is called with each command's channel.
func misbehave(sftp, exec func(ssh.Channel, <-chan *ssh.Request)) func(ssh.NewChannel) {
	return func(nc ssh.NewChannel) {
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		for req := range reqs {
			do := exec
			if req.Type == "subsystem" {
				do = sftp
			}
			if do == nil {
				continue // no answer
			}
			_ = req.Reply(true, nil)
			do(ch, reqs)
			return
		}
	}
}

func endlessly(ch ssh.Channel, reqs <-chan *ssh.Request) {
	for range reqs {
	}
}

func exits(status uint32) func(ssh.Channel, <-chan *ssh.Request) {
	return func(ch ssh.Channel, reqs <-chan *ssh.Request) {
		_ = remotetest.BeginScript(ch)
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		endlessly(ch, reqs) // without closing
	}
}

// soonest fails the test when do takes longer than limit.
func soonest(t *testing.T, limit time.Duration, do func() error) error {
	t.Helper()
	start := time.Now()
	got := make(chan error, 1)
	go func() { got <- do() }()
	select {
	case err := <-got:
		return err
	case <-time.After(limit + 5*time.Second):
		t.Fatalf("still waiting after %s, may take %s", time.Since(start), limit)
		return nil
	}
}

func TestAHostThatAnswersNothingHoldsNobody(t *testing.T) {
	t.Parallel()
	for name, session := range map[string]func(ssh.NewChannel){
		"no answer to exec":   misbehave(nil, nil),
		"runs for ever":       misbehave(nil, endlessly),
		"a status and no end": misbehave(nil, exits(0)),
		"a signal without bound": misbehave(nil, func(ch ssh.Channel, reqs <-chan *ssh.Request) {
			_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal  string
				Core    bool
				Message string
				Lang    string
			}{Signal: string(bytes.Repeat([]byte("\x1b]52;c;"), 4000))}))
			endlessly(ch, reqs)
		}),
		"no channel": func(ssh.NewChannel) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialHost2(t, &remotetest.Server{Session: session})
			err := soonest(t, 5*time.Second, func() error {
				_, err := c.Run(context.Background(), Command{Args: []string{"true"}, Timeout: 2 * time.Second})
				return err
			})
			if err == nil && name != "a status and no end" {
				t.Error("it passes for a success")
			}
			if err != nil && (len(err.Error()) > 1000 || bytes.ContainsRune([]byte(err.Error()), 0x1b)) {
				t.Errorf("the error is %d bytes: %.200q", len(err.Error()), err)
			}
		})
	}
}

// dialHost2 is dialHost for parallel tests, which may not change the environment.
func dialHost2(t *testing.T, s *remotetest.Server) *Client {
	t.Helper()
	file, public := remotetest.KeyFile(t, "")
	s.Keys = append(s.Keys, public)
	s.Start(t)
	return dialTarget(t, &Dialer{ConfigFiles: []string{}}, targetOf(t, s, file))
}

func TestAMuteSFTPServerEndsTheUpload(t *testing.T) {
	t.Parallel()
	silentAfterHello := func(ch ssh.Channel, reqs <-chan *ssh.Request) {
		_, _ = ch.Read(make([]byte, 64))
		_, _ = ch.Write([]byte{0, 0, 0, 5, 2, 0, 0, 0, 3}) // version 3
		endlessly(ch, reqs)
	}
	works := func(ch ssh.Channel, reqs <-chan *ssh.Request) { exits(0)(ch, reqs) } // look: the file is not there
	for name, sftp := range map[string]func(ssh.Channel, <-chan *ssh.Request){
		"no answer to the subsystem": nil, "no version": endlessly, "nothing after the version": silentAfterHello,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialHost2(t, &remotetest.Server{Session: misbehave(sftp, works)})
			sum := sha256.Sum256([]byte("x"))
			err := soonest(t, exchangeWithin+8*time.Second, func() error {
				_, err := c.Put(context.Background(), Upload{
					Source: bytes.NewReader([]byte("x")), Size: 1, SHA256: hex.EncodeToString(sum[:]), Path: filepath.Join(t.TempDir(), "f"),
				})
				return err
			})
			if !errors.Is(err, errSFTPSilent) {
				t.Errorf("got %v", err)
			}
			mustContain(t, err, "g1: upload")
		})
	}
}

func TestAWriteIntoATunnelThatGivesNoRoomEndsWithItsDeadline(t *testing.T) {
	c := dialHost(t, &remotetest.Server{Forward: func(nc ssh.NewChannel) {
		ch, reqs, err := nc.Accept()
		if err == nil {
			endlessly(ch, reqs) // and reads nothing: the window is never given back
		}
	}})
	conn, err := c.Dial(t.Context(), "tcp", "127.0.0.1:3000")
	if err != nil {
		t.Fatal(err)
	}
	err = soonest(t, 3*time.Second, func() error {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		for {
			if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	})
	if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
		t.Errorf("got %v", err)
	}
	if err := soonest(t, 2*time.Second, conn.Close); err != nil {
		t.Error(err)
	}
}
