package conformance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A folder below data that cannot be made ends the server. The test may be root,
// whom no permission stops: a file is in the way.
func (s *suite) noFolder(t *testing.T) {
	n := newNode(t, s.rel, "folderless", s.pg, s.database, nil)
	data := n.ini["paths.data"]
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "png"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.dies(t, n, "mkdir "+filepath.Join(data, "png")+": not a directory")
}

// The folders are there after a start.
func (s *suite) folders(t *testing.T) {
	for _, name := range []string{"png"} {
		if _, err := os.Stat(filepath.Join(s.nodes[0].ini["paths.data"], name)); err != nil {
			t.Error(err)
		}
	}
}

// addresses are spellings of http_addr, and what becomes of them.
func (s *suite) addresses(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("needs IPv6 on the loopback")
	} else {
		_ = l.Close()
	}
	const invalid = "invalid IP address"
	for addr, dies := range map[string]string{
		"::1":       map[bool]string{true: "too many colons in address"}[!s.rel.atLeast(7, 0)],
		"[::1]":     map[bool]string{true: invalid}[s.rel.atLeast(11, 0)],
		"localhost": map[bool]string{true: invalid}[s.rel.atLeast(11, 0)],
	} {
		n := newNode(t, s.rel, "addressed", s.pg, s.database, map[string]string{"server.http_addr": addr})
		n.host = "localhost"
		if addr != "localhost" {
			n.host = "[::1]"
		}
		if dies != "" {
			s.dies(t, n, dies)
			continue
		}
		n.start(t)
		n.stop(t)
	}
}

// A port that is taken ends the server, after it said that it is ready.
func (s *suite) portTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := newNode(t, s.rel, "second", s.pg, s.database, nil)
	n.ini["server.http_port"] = fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	s.dies(t, n, "failed to open listener on address "+l.Addr().String())
}
