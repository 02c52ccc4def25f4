package database

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

const canary = "canary-Pa55word"

// hostile is a server of an attacker's. It keeps what it is sent, and reads RSA.
type hostile struct {
	net.Listener
	tls  *tls.Config // offered when set
	key  *rsa.PrivateKey
	mu   sync.Mutex
	got  bytes.Buffer
	salt []byte
}

// attackersKey is made once: that takes a while.
var attackersKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// serveHostile starts one, which talks to each client as talk says.
func serveHostile(t *testing.T, secure bool, talk func(h *hostile, c net.Conn)) *hostile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	key := attackersKey()
	h := &hostile{Listener: l, key: key, salt: []byte("abcdefghijklmnopqrst")}
	if secure {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"db.example.com"}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		h.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				talk(h, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return h
}

// Dial implements fleet.Conn: whatever is dialled, the attacker answers.
func (h *hostile) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", h.Addr().String())
}

type hostileHost struct {
	fleet.Conn
	*hostile
}

// Close and Dial are of both.
func (h hostileHost) Close() error { return nil }

// Dial implements fleet.Conn.
func (h hostileHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.hostile.Dial(ctx, network, address)
}

// keep reads on and keeps it.
func (h *hostile) keep(c io.Reader) {
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		h.mu.Lock()
		h.got.Write(b[:n])
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// learned tells what of the password arrived; empty: nothing that logs in.
func (h *hostile) learned(user string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got.Bytes()
	if bytes.Contains(got, []byte(canary)) {
		return "the password in clear"
	}
	for i := 0; i+256 <= len(got); i++ {
		if plain, err := rsa.DecryptOAEP(sha1.New(), nil, h.key, got[i:i+256], nil); err == nil {
			return "the password under the attacker's key: " + hex.EncodeToString(plain)
		}
	}
	if user == "admin" && bytes.Contains(got, []byte("md5")) {
		return "the administrator's MD5"
	}
	return ""
}

// postgres is an attacker that speaks PostgreSQL's protocol and asks with message.
func postgresThatAsks(message []byte) func(h *hostile, c net.Conn) {
	return func(h *hostile, c net.Conn) {
		head := make([]byte, 8)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if binary.BigEndian.Uint32(head[4:]) == 80877103 { // SSLRequest
			if h.tls == nil {
				_, _ = c.Write([]byte("N"))
				return
			}
			_, _ = c.Write([]byte("S"))
			c = tls.Server(c, h.tls)
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-8); err != nil {
			return
		}
		_, _ = c.Write(message)
		h.keep(c)
	}
}

func authentication(code uint32, more string) []byte {
	b := binary.BigEndian.AppendUint32([]byte("R"), uint32(8+len(more)))
	return append(binary.BigEndian.AppendUint32(b, code), more...)
}

// Whoever answers in the place of PostgreSQL gets nothing that logs in, with TLS that is
// not verified as without.
func TestAHostilePostgresLearnsNoPassword(t *testing.T) {
	ready := string(authentication(0, "")) + "Z\x00\x00\x00\x05I"
	for name, message := range map[string][]byte{
		"cleartext": authentication(3, ""), "MD5": authentication(5, "salt"), "nothing": []byte(ready), "GSS": authentication(7, ""),
		"SCRAM with one iteration": authentication(10, "SCRAM-SHA-256\x00\x00"),
		"SASL of its own":          authentication(10, "PLAIN\x00\x00"),
	} {
		for _, mode := range []string{"disable", "require"} {
			for _, user := range []string{"admin", "grafana"} {
				t.Run(name+" "+mode+" "+user, func(t *testing.T) {
					t.Parallel()
					h := serveHostile(t, mode == "require", postgresThatAsks(message))
					db := inventory.Database{Type: "postgres", Host: "db.example.com:5432", Name: "g", User: "grafana", SSLMode: mode, Password: inventory.NewSecret(canary, "literal")}
					_, err := Open(t.Context(), hostileHost{hostile: h}, db, who(user))
					if err == nil {
						t.Fatal("the login succeeds")
					}
					if strings.Contains(err.Error(), canary) {
						t.Errorf("the error shows the password: %v", err)
					}
					if what := h.learned(user); what != "" {
						t.Errorf("the attacker learned %s", what)
					}
					failed, ok := errors.AsType[*LoginError](err)
					if ok && (name == "cleartext" || name == "MD5" && user == "admin") {
						in, isInsecure := errors.AsType[*InsecureError](err)
						if failed.Kind != Insecure || !isInsecure || !strings.Contains(in.Fix(), "verify-full") {
							t.Errorf("got %s: %v", failed.Kind, err)
						}
					}
				})
			}
		}
	}
}

func who(user string) *inventory.Credentials {
	if user != "admin" {
		return nil
	}
	return &inventory.Credentials{User: "admin", Password: inventory.NewSecret(canary, "literal")}
}

// mysqlThatAsks is an attacker that speaks MySQL's protocol: it greets with a method,
// and then sends messages, each as the next packet.
func mysqlThatAsks(method string, messages ...[]byte) func(h *hostile, c net.Conn) {
	return func(h *hostile, c net.Conn) {
		low := uint16(0xa20f) // what a server has, without TLS
		if h.tls != nil {
			low |= 0x0800
		}
		g := append([]byte{10}, "8.0.36\x00\x01\x00\x00\x00"...)
		g = append(append(g, h.salt[:8]...), 0)
		g = binary.LittleEndian.AppendUint16(g, low)
		g = append(g, 45, 2, 0)
		g = binary.LittleEndian.AppendUint16(g, 0x0008) // CLIENT_PLUGIN_AUTH
		g = append(append(g, 21), make([]byte, 10)...)
		g = append(append(append(g, h.salt[8:]...), 0), method+"\x00"...)
		seq := byte(0)
		send := func(body []byte) {
			_, _ = c.Write(append([]byte{byte(len(body)), byte(len(body) >> 8), 0, seq}, body...))
		}
		send(g)
		receive := func() []byte {
			head := make([]byte, 4)
			if _, err := io.ReadFull(c, head); err != nil {
				return nil
			}
			body := make([]byte, int(head[0])|int(head[1])<<8)
			_, _ = io.ReadFull(c, body)
			seq = head[3] + 1
			h.mu.Lock()
			h.got.Write(body)
			h.mu.Unlock()
			return body
		}
		if body := receive(); h.tls != nil && len(body) == 32 {
			c = tls.Server(c, h.tls)
			receive()
		}
		for _, m := range messages {
			if bytes.Equal(m, []byte("KEY")) {
				der, _ := x509.MarshalPKIXPublicKey(&h.key.PublicKey)
				m = append([]byte{1}, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
			}
			send(m)
			receive()
		}
		h.keep(c)
	}
}

// Whoever answers in the place of MySQL gets neither the password nor it under his own key.
func TestAHostileMySQLLearnsNoPassword(t *testing.T) {
	change := func(method string) []byte { return append([]byte("\xfe"+method+"\x00"), "abcdefghijklmnopqrst\x00"...) }
	full, key := []byte{1, 4}, []byte("KEY")
	for name, talk := range map[string]func(h *hostile, c net.Conn){
		"caching_sha2, full login":       mysqlThatAsks("caching_sha2_password", full, key),
		"caching_sha2 after native":      mysqlThatAsks("mysql_native_password", change("caching_sha2_password"), full, key),
		"caching_sha2, key at once":      mysqlThatAsks("caching_sha2_password", key),
		"sha256_password":                mysqlThatAsks("sha256_password", key),
		"sha256_password after native":   mysqlThatAsks("mysql_native_password", change("sha256_password"), key),
		"mysql_clear_password":           mysqlThatAsks("mysql_clear_password", []byte{0}),
		"clear after native":             mysqlThatAsks("mysql_native_password", change("mysql_clear_password")),
		"PAM after native":               mysqlThatAsks("mysql_native_password", append([]byte("\xfedialog\x00"), "\x04Password: "...)),
		"before 4.1":                     mysqlThatAsks("mysql_native_password", []byte{0xfe}),
		"before 4.1 by name":             mysqlThatAsks("mysql_native_password", change("mysql_old_password")),
		"a method that nobody knows yet": mysqlThatAsks("mysql_native_password", change("telepathy")),
	} {
		for _, mode := range []string{"false", "skip-verify"} {
			for _, user := range []string{"admin", "grafana"} {
				t.Run(name+" "+mode+" "+user, func(t *testing.T) {
					t.Parallel()
					h := serveHostile(t, mode == "skip-verify", talk)
					db := inventory.Database{Type: "mysql", Host: "db.example.com:3306", Name: "g", User: "grafana", SSLMode: mode, Password: inventory.NewSecret(canary, "literal")}
					_, err := Open(t.Context(), hostileHost{hostile: h}, db, who(user))
					if what := h.learned(user); what != "" {
						t.Errorf("the attacker learned %s", what)
					}
					failed, _ := errors.AsType[*LoginError](err)
					in, _ := errors.AsType[*InsecureError](err)
					if failed == nil || in == nil || failed.Kind != Insecure || in.Admin != (user == "admin") || !strings.Contains(in.Fix(), "ca_cert") {
						t.Errorf("got %v", err)
					}
				})
			}
		}
	}
}

// A server that lets anybody in and then says how it stores passwords is not told the
// new role's.
func TestTheRolesPasswordIsNotInTheStatement(t *testing.T) {
	for _, password := range []string{canary, "pässwörd-" + canary} {
		verifier, err := scramVerifier(password)
		if err != nil || strings.Contains(verifier, canary) || !strings.HasPrefix(verifier, "SCRAM-SHA-256$4096:") {
			t.Errorf("verifier %q, %v", verifier, err)
		}
	}
	// MariaDB: SELECT PASSWORD('secret')
	if got := nativeHash("secret"); got != "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7" {
		t.Errorf("hash %s", got)
	}
}

func TestWhichAnswersPostgresGets(t *testing.T) {
	for _, tt := range []struct {
		host, mode, password string
		admin                bool
		want                 string
	}{
		{"db:5432", "disable", "x", true, "scram-sha-256"},
		{"db:5432", "require", "x", true, "scram-sha-256"},
		{"db:5432", "verify-ca", "x", true, "scram-sha-256"},
		{"db:5432", "verify-full", "x", true, ""},
		{"127.0.0.1:5432", "disable", "x", true, "scram-sha-256,none"},
		{"localhost", "", "x", true, "scram-sha-256,none"},
		{"[::1]:5432", "", "x", true, "scram-sha-256,none"},
		{"127.0.0.1.example.com:5432", "", "x", true, "scram-sha-256"},
		{"db:5432", "disable", "", true, ""},
		{"db:5432", "require", "x", false, "scram-sha-256,md5,none"},
		{"db:5432", "verify-full", "x", false, ""},
	} {
		l := login{Database: inventory.Database{Type: "postgres", Host: tt.host, SSLMode: tt.mode}, password: tt.password, admin: tt.admin}
		if got := requireAuth(l); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.host, tt.mode, got, tt.want)
		}
	}
}

// A server that asks for a file of the client's in the middle of a dump is told apart
// from one whose rows begin with NULL.
func TestAServerThatAsksForAFileIsNoticed(t *testing.T) {
	packet := func(seq byte, body string) string {
		return string([]byte{byte(len(body)), 0, 0, seq}) + body
	}
	rows := packet(1, "\x02") + packet(2, "column") + packet(3, "\xfb\xfb") + packet(0, "\xfb")
	for text, want := range map[string]bool{rows: false, packet(1, "\xfb/etc/shadow"): true} {
		for _, step := range []int{1, 3, len(text)} { // however it is cut up
			var p packets
			p.command()
			asked := false
			for b := []byte(text); len(b) > 0; b = b[min(step, len(b)):] {
				asked = p.askForFile(b[:min(step, len(b))]) || asked
			}
			if asked != want {
				t.Errorf("%q in steps of %d: %v", text, step, asked)
			}
		}
	}
}
