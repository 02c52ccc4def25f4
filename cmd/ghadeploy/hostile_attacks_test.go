package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// escapes is what must never reach a terminal: a title, the clipboard, C1, bidi, a bell.
const escapes = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\u009b31m\u202egnp\u2066\r\x08\x7f"

// rawAttacks are hosts that never get as far as SSH.
func rawAttacks() map[string]func(net.Conn) {
	read := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	endless := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			for chunk := []byte(strings.Repeat(text, 1+32<<10/len(text))); ; {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	return map[string]func(net.Conn){
		"rsilent": read,
		"rslow":   func(c net.Conn) { onceASecond(c) },
		"rlines":  endless("no ssh here " + escapes + "\r\n"),
		"rzeros":  endless("\x00"),
		"rhttp":   func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+escapes); read(c) },
		"rpacket": func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x"+"\r\n\xff\xff\xff\xff\xff"); read(c) },
		"rclose":  func(net.Conn) {},
	}
}

// execAttack is what a host does when it is asked to run a command, or the subsystem.
type execAttack func(ch ssh.Channel, reqs <-chan *ssh.Request)

// onExec serves a session that takes the command and then does something else.
func onExec(do execAttack) func(ssh.NewChannel) {
	return func(nc ssh.NewChannel) {
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		defer ch.Close()
		for req := range reqs {
			if req.Type != "exec" && req.Type != "subsystem" {
				_ = req.Reply(true, nil)
				continue
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

func drainRequests(reqs <-chan *ssh.Request) {
	for range reqs {
	}
}

// begun is a command that has begun as far as anybody can tell.
func begun(do execAttack) execAttack {
	return func(ch ssh.Channel, reqs <-chan *ssh.Request) {
		if remotetest.BeginScript(ch) == nil {
			go func() { _, _ = io.Copy(io.Discard, ch) }()
			do(ch, reqs)
		}
	}
}

func flood(w func(ssh.Channel) io.Writer, text string) execAttack {
	return func(ch ssh.Channel, reqs <-chan *ssh.Request) {
		go drainRequests(reqs)
		for chunk := []byte(strings.Repeat(text, 1+32<<10/len(text))); ; {
			if _, err := w(ch).Write(chunk); err != nil {
				return
			}
		}
	}
}

func stdoutOf(ch ssh.Channel) io.Writer { return ch }
func stderrOf(ch ssh.Channel) io.Writer { return ch.Stderr() }

// streamAttacks are commands that end late, never, or with too much.
func streamAttacks() map[string]func(ssh.NewChannel) {
	status := func(ch ssh.Channel, n uint32) {
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{n}))
	}
	return map[string]func(ssh.NewChannel){
		"snochannel": func(ssh.NewChannel) {},
		"sreject":    func(nc ssh.NewChannel) { _ = nc.Reject(ssh.Prohibited, strings.Repeat(escapes, 1000)) },
		"snoanswer":  onExec(nil),
		"ssilent":    onExec(func(_ ssh.Channel, reqs <-chan *ssh.Request) { drainRequests(reqs) }),
		"sbegun":     onExec(begun(func(_ ssh.Channel, reqs <-chan *ssh.Request) { drainRequests(reqs) })),
		"sunread":    onExec(func(ch ssh.Channel, reqs <-chan *ssh.Request) { _ = remotetest.BeginScript(ch); drainRequests(reqs) }),
		"sbefore":    onExec(flood(stdoutOf, escapes)),
		"sstdout":    onExec(begun(flood(stdoutOf, "line\n"))),
		"sjournal":   onExec(begun(flood(stdoutOf, "2026-11-24T12:00:01.000000+0000 h grafana[7]: level=error "+escapes+"\n"))),
		"soneline":   onExec(begun(flood(stdoutOf, "x"))),
		"sstderr":    onExec(begun(flood(stderrOf, escapes))),
		"sslow":      onExec(begun(func(ch ssh.Channel, reqs <-chan *ssh.Request) { go drainRequests(reqs); onceASecond(ch) })),
		"snoend":     onExec(begun(func(ch ssh.Channel, reqs <-chan *ssh.Request) { status(ch, 0); drainRequests(reqs) })),
		"sstatus":    onExec(begun(func(ch ssh.Channel, _ <-chan *ssh.Request) { status(ch, 0xffffffff) })),
		"snothing":   onExec(begun(func(ch ssh.Channel, _ <-chan *ssh.Request) { status(ch, 0) })),
		"srequests": onExec(begun(func(ch ssh.Channel, reqs <-chan *ssh.Request) {
			go drainRequests(reqs)
			for i := 0; i < 20000; i++ {
				if _, err := ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
					Signal, Message, Lang string
				}{escapes, strings.Repeat("x", 1000), ""})); err != nil {
					return
				}
			}
		})),
	}
}

// after serves honestly so many sessions, then does evil.
func after(n int32, h *hostileHost, evil func(ssh.NewChannel)) func(ssh.NewChannel) {
	var count atomic.Int32
	return func(nc ssh.NewChannel) {
		if count.Add(1) > n {
			evil(nc)
			return
		}
		h.ssh.ServeSession(nc)
	}
}

var (
	someNumber = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)?`)
	someWord   = regexp.MustCompile(`[A-Za-z0-9_.:/-]+`)
)

// lies change every line of what a command really says.
func lies() map[string]func(line string) string {
	numbers := func(n string) func(string) string {
		return func(line string) string { return someNumber.ReplaceAllLiteralString(line, n) }
	}
	return map[string]func(string) string{
		"lescapes": func(line string) string { return strings.ReplaceAll(line, "\t", "\t"+escapes) + escapes },
		"lends":    func(line string) string { return line + escapes },
		"lpaths":   func(line string) string { return someWord.ReplaceAllLiteralString(line, "../../../../tmp/owned") },
		"llast": func(line string) string {
			i := strings.LastIndexAny(line, "\t =")
			return line[:i+1] + "../../../../tmp/owned" + escapes
		},
		"lhuge":     numbers("4294967296"),
		"lhuger":    numbers("99999999999999999999999"),
		"lnegative": numbers("-1"),
		"lnan":      numbers("NaN"),
		"ltwice":    func(line string) string { return strings.Repeat(line+"\n", 500) + line },
		"ldeep": func(line string) string {
			return line + "\n" + strings.Repeat(`{"a":`, 50_000) + "\n" + strings.Repeat("[", 50_000)
		},
		"llong": func(line string) string { return line + strings.Repeat("A", 200_000) },
		"lkeys": func(line string) string {
			return strings.ReplaceAll(line, `"run":`, `"run":"x","run":"y`+"\u202e"+`","run":`) + "\tagain"
		},
		"lempty":  func(string) string { return "" },
		"lpartly": func(line string) string { return line[:len(line)/2] },
		"lstrings": func(line string) string {
			return strings.NewReplacer(`":"`, `":"`+`\u001b]52;c;eA==\u0007\u202e`, `active`, "fail\u2028ed", "link", "\u200blink").Replace(line)
		},
	}
}

// claimsATurn is a host on which an earlier run's turn seems to go on. What changes
// something waits for its end; what looks only does not.
func claimsATurn(line string) string {
	return strings.NewReplacer("ActiveState=inactive", "ActiveState=active", "SubState=dead", "SubState=running").Replace(line)
}

// liar rewrites what a command says line by line, behind the mark of its beginning.
type liar struct {
	to    io.Writer
	lie   func(string) string
	line  []byte
	begun bool
}

func (l *liar) Write(p []byte) (int, error) {
	l.line = append(l.line, p...)
	for {
		i := bytes.IndexByte(l.line, '\n')
		if i < 0 {
			return len(p), nil
		}
		if err := l.say(string(l.line[:i]), "\n"); err != nil {
			return 0, err
		}
		l.line = l.line[i+1:]
	}
}

func (l *liar) say(line, end string) error {
	if l.begun {
		line = l.lie(line)
	}
	l.begun = true
	_, err := io.WriteString(l.to, line+end)
	return err
}

// Close says the last line, which has no end.
func (l *liar) Close() error {
	if len(l.line) == 0 {
		return nil
	}
	return l.say(string(l.line), "")
}

// lying is a host's Output from its n-th command on.
func lying(n int32, lie func(string) string) func(io.Writer) io.Writer {
	var count atomic.Int32
	return func(w io.Writer) io.Writer {
		if count.Add(1) <= n {
			return w
		}
		return &liar{to: w, lie: lie}
	}
}

// sftpAttacks are hosts that mean well until a file is sent.
func sftpAttacks() map[string]execAttack {
	packet := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	hello := packet(2, 0, 0, 0, 3)
	// answering sends one reply to each request, with the request's own id.
	answering := func(reply func(id []byte) []byte) execAttack {
		return func(ch ssh.Channel, reqs <-chan *ssh.Request) {
			go drainRequests(reqs)
			first := true
			for {
				var head [4]byte
				if _, err := io.ReadFull(ch, head[:]); err != nil {
					return
				}
				body := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<20))
				if _, err := io.ReadFull(ch, body); err != nil {
					return
				}
				out := hello
				if !first && len(body) >= 5 {
					out = reply(body[1:5])
				}
				first = false
				if _, err := ch.Write(out); err != nil {
					return
				}
			}
		}
	}
	text := func(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }
	return map[string]execAttack{
		"fsilent": func(_ ssh.Channel, reqs <-chan *ssh.Request) { drainRequests(reqs) },
		"fhello":  func(ch ssh.Channel, reqs <-chan *ssh.Request) { _, _ = ch.Write(hello); drainRequests(reqs) },
		"fhuge":   answering(func([]byte) []byte { return []byte{0xff, 0xff, 0xff, 0xff, 101, 0, 0, 0, 1} }),
		"fzero":   answering(func([]byte) []byte { return []byte{0, 0, 0, 0} }),
		"fother":  answering(func([]byte) []byte { return packet(102, 9, 9, 9, 9, 0, 0, 0, 1, 'x') }),
		"fshort":  answering(func(id []byte) []byte { return packet(append([]byte{104}, id...)...) }),
		"fnames": answering(func(id []byte) []byte {
			return packet(append(append(append([]byte{104}, id...), 0xff, 0xff, 0xff, 0xff), text("../../x")...)...)
		}),
		"fwords": answering(func(id []byte) []byte {
			return packet(append(append(append(append([]byte{101}, id...), 0, 0, 0, 4), text(strings.Repeat(escapes, 500))...), text("")...)...)
		}),
		"fflood": func(ch ssh.Channel, reqs <-chan *ssh.Request) {
			_, _ = ch.Write(hello)
			flood(stdoutOf, string(packet(101, 0, 0, 0, 1, 0, 0, 0, 0)))(ch, reqs)
		},
	}
}

// listenerAttacks are what answers on Grafana's port.
func listenerAttacks() map[string]func(net.Conn) {
	read := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	http := func(head, body string, times int) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			if _, err := io.WriteString(c, "HTTP/1.1 "+head+"\r\n\r\n"); err != nil {
				return
			}
			for i := 0; times < 0 || i < times; i++ {
				if _, err := io.WriteString(c, body); err != nil {
					return
				}
			}
		}
	}
	chunk := strings.Repeat("x", 32<<10)
	return map[string]func(net.Conn){
		"wsilent": read,
		"wslow":   func(c net.Conn) { onceASecond(c) },
		"wheader": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			for {
				if _, err := io.WriteString(c, chunk); err != nil {
					return
				}
			}
		},
		"wbody":    http("200 OK\r\nContent-Type: application/json", chunk, -1),
		"wmetrics": http("200 OK\r\nContent-Type: text/plain", "alertmanager_cluster_members{a=\""+strings.Repeat("x", 1000)+"\"} NaN\n", -1),
		"wlength":  http("200 OK\r\nContent-Length: 4294967296000", "{", 1),
		"wwords":   http("500 "+escapes, `{"database":"`+strings.Repeat(escapes, 100)+`","version":"`+escapes+`"}`, 1),
		"wjson":    http("200 OK\r\nConnection: close", `{"database":"ok`+"\u202e"+`\u001b]0;x\u0007","version":"10.3.1\u009b"}`, 1),
		"wdeep":    http("200 OK\r\nConnection: close", strings.Repeat(`{"a":`, 10_000), 20),
		"welse":    http("302 Found\r\nLocation: http://127.0.0.1:1/steal", "", 1),
		"wpostgres": func(c net.Conn) {
			_, _ = io.WriteString(c, "R\x00\x00\x00\x08\x00\x00\x00\x03"+escapes)
			read(c)
		},
	}
}

// postgresAttacks are databases that want what they must not get, or never end.
func postgresAttacks() map[string]func(net.Conn) {
	message := func(kind byte, body string) string {
		return string(kind) + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
	}
	first := func(c net.Conn) { // the startup message; TLS is declined
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		if n == 8 {
			_, _ = c.Write([]byte("N"))
			_, _ = c.Read(b)
		}
	}
	ask := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			first(c)
			_, _ = io.WriteString(c, answer)
			time.Sleep(100 * time.Millisecond)
			_, _ = io.WriteString(c, message('E', "SFATAL\x00C28P01\x00M"+escapes+"\x00\x00"))
		}
	}
	// trusts lets in whoever comes, and answers each question with what it has to say.
	trusts := func(say func(c net.Conn) error) func(net.Conn) {
		return func(c net.Conn) {
			first(c)
			_, err := io.WriteString(c, message('R', "\x00\x00\x00\x00")+message('Z', "I"))
			for err == nil {
				if _, err = c.Read(make([]byte, 4096)); err == nil {
					err = say(c)
				}
			}
		}
	}
	column := message('1', "") + message('2', "") + message('T', "\x00\x01v\x00"+strings.Repeat("\x00", 6)+"\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00")
	return map[string]func(net.Conn){
		"rows": trusts(func(c net.Conn) error {
			_, err := io.WriteString(c, column)
			for row := message('D', "\x00\x01\x00\x00\x75\x30"+strings.Repeat("x", 30_000)); err == nil; {
				_, err = io.WriteString(c, row)
			}
			return err
		}),
		"row": trusts(func(c net.Conn) error {
			_, err := io.WriteString(c, column+"D\x3f\xff\xff\xff\x00\x01\x3f\xff\xff\xf0")
			for chunk := strings.Repeat("x", 1<<16); err == nil; {
				_, err = io.WriteString(c, chunk)
			}
			return err
		}),
		"chatter": trusts(func(c net.Conn) error {
			_, err := io.WriteString(c, column)
			for n := message('S', "a\x00"+strings.Repeat("x", 30_000)+"\x00") + message('N', "M"+strings.Repeat("x", 30_000)+"\x00\x00"); err == nil; {
				_, err = io.WriteString(c, n)
			}
			return err
		}),
		"clear":  ask(message('R', "\x00\x00\x00\x03")),
		"md5":    ask(message('R', "\x00\x00\x00\x05salt")),
		"huge":   ask("E\x7f\xff\xff\xffS"),
		"words":  ask(message('E', "SFATAL\x00C28000\x00M"+strings.Repeat(escapes, 2000)+"\x00\x00")),
		"silent": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"slow":   func(c net.Conn) { first(c); onceASecond(c) },
		"notices": func(c net.Conn) {
			first(c)
			for n := message('N', "SNOTICE\x00C00000\x00M"+strings.Repeat("x", 30_000)+"\x00\x00"); ; {
				if _, err := io.WriteString(c, n); err != nil {
					return
				}
			}
		},
		"params": func(c net.Conn) {
			first(c)
			_, _ = io.WriteString(c, message('R', "\x00\x00\x00\x00"))
			for i := 0; ; i++ {
				if _, err := io.WriteString(c, message('S', fmt.Sprintf("p%d\x00%s\x00", i, strings.Repeat("x", 1000)))); err != nil {
					return
				}
			}
		},
	}
}

// mysqlAttacks are the same in MySQL's words.
func mysqlAttacks() map[string]func(net.Conn) {
	packet := func(seq byte, body string) string {
		n := len(body)
		return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}) + body
	}
	greeting := packet(0, "\x0a8.0.36"+"\x00\x01\x00\x00\x00"+"12345678\x00"+"\xff\xf7"+"\x21\x02\x00"+"\xff\xdf\x15"+strings.Repeat("\x00", 10)+"123456789012\x00"+"caching_sha2_password\x00")
	answers := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, greeting)
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, packet(6, "\xff\x15\x04#28000"+escapes))
		}
	}
	// trusts lets in whoever comes, and answers each question with begin, and then with on without end.
	trusts := func(begin, on string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, greeting)
			_, _ = c.Read(make([]byte, 4096))
			_, err := io.WriteString(c, packet(2, "\x00\x00\x00\x02\x00\x00\x00"))
			for err == nil {
				if _, err = c.Read(make([]byte, 4096)); err == nil {
					_, err = io.WriteString(c, begin)
				}
				for err == nil && on != "" {
					_, err = io.WriteString(c, on)
				}
			}
		}
	}
	column := packet(1, "\x01") + packet(2, "\x03def\x00\x00\x00\x01v\x00\x0c\x21\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00")
	rows := ""
	for seq := range 256 {
		rows += packet(byte(seq+3), "\xfc\x30\x75"+strings.Repeat("x", 30_000))
	}
	return map[string]func(net.Conn){
		"mcolumns":  trusts(packet(1, "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"), ""),
		"mfields":   trusts(packet(1, "\xfd\xff\xff\xff"), ""),
		"mshort":    trusts(packet(1, "\xff\x01"), ""),
		"mempty":    trusts(packet(1, "\x00\xfe"), ""),
		"mcut":      trusts(packet(1, "\x01")+packet(2, "\x03def"), ""),
		"mrows":     trusts(column, rows),
		"mrow":      trusts(column, packet(3, strings.Repeat("x", 0xffffff))),
		"mclear":    answers(packet(2, "\xfemysql_clear_password\x00")),
		"mfull":     answers(packet(2, "\x01\x04")),
		"mold":      answers(packet(2, "\xfe")),
		"mfile":     answers(packet(2, "\x00\x00\x00\x02\x00\x00\x00") + packet(1, "\xfb/etc/passwd")),
		"mwords":    func(c net.Conn) { _, _ = io.WriteString(c, packet(0, "\xff\x10\x04"+strings.Repeat(escapes, 100))) },
		"mgreeting": func(c net.Conn) { _, _ = io.WriteString(c, "\xff\xff\xff\x00\x0a"); onceASecond(c) },
		"msilent":   func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
	}
}

// redisAttacks are Redis servers that say too much, or nothing.
func redisAttacks() map[string]func(net.Conn) {
	says := func(text string, times int) func(net.Conn) {
		return func(c net.Conn) {
			for i := 0; times < 0 || i < times; i++ {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
			}
			_, _ = io.Copy(io.Discard, c)
		}
	}
	return map[string]func(net.Conn){
		"silent": says("", 1),
		"bulk":   says("$2147483647\r\n"+strings.Repeat("x", 1<<16), -1),
		"array":  says("*2147483647\r\n", 1),
		"deep":   says("*1\r\n", 1_000_000),
		"words":  says("-ERR "+strings.Repeat(escapes, 100)+"\n\r\n", 10),
		"line":   says("+"+strings.Repeat("x", 1<<16), -1),
	}
}

func TestALiarKeepsTheMarkAndTheLastLine(t *testing.T) {
	var b bytes.Buffer
	l := &liar{to: &b, lie: strings.ToUpper}
	for _, s := range []string{"mark\na", "b\nc", "d"} {
		if _, err := io.WriteString(l, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil || b.String() != "mark\nAB\nCD" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
