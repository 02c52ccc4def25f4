package live

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/gorilla/websocket"
)

// The older protocol, of centrifuge before 0.25 as Grafana served it until 9.1: a
// command has a method by number, its answer a result, and what is pushed is a
// result without an id. A client of the newer one takes the answer to its first
// command for one without content.
var methods = []string{
	"connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats", "history", "ping", "send", "rpc", "refresh", "sub_refresh",
}

// pushes are the kinds of what the server sends by itself, in the order of their numbers.
var pushes = []string{"pub", "join", "leave", "unsubscribe", "message", "subscribe", "connect", "disconnect", "refresh"}

const (
	pingInterval = 25 * time.Second
	writeTimeout = time.Second
	maxFrame     = 65536
)

// replies serves that protocol in front of a node that speaks the newer one.
type replies struct {
	node    *centrifuge.Node
	upgrade websocket.Upgrader
}

func newReplies(node *centrifuge.Node, origin func(*http.Request) bool) http.Handler {
	return &replies{node: node, upgrade: websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, CheckOrigin: origin}}
}

func (h *replies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.upgrade.Upgrade(w, r, nil)
	if err != nil {
		return // answered already
	}
	defer conn.Close()
	conn.SetReadLimit(maxFrame)
	t := &wire{conn: conn, done: make(chan struct{})}
	client, closeClient, err := centrifuge.NewClient(r.Context(), h.node, t)
	if err != nil {
		return
	}
	defer func() { _ = closeClient() }()
	var pinging sync.WaitGroup
	pinging.Go(t.ping)
	defer pinging.Wait()
	defer t.end()
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		frame, err := newer(text)
		if err != nil {
			client.Disconnect(centrifuge.DisconnectBadRequest)
		}
		if err != nil || !centrifuge.HandleReadFrame(client, bytes.NewReader(frame)) {
			t.drain()
			return
		}
	}
}

// newer turns the commands of a frame into those of the newer protocol.
func newer(text []byte) ([]byte, error) {
	var out bytes.Buffer
	in := json.NewDecoder(bytes.NewReader(text))
	for in.More() {
		var c struct {
			ID     uint32          `json:"id"`
			Method int             `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		if err := in.Decode(&c); err != nil {
			return nil, err
		}
		if c.Method < 0 || c.Method >= len(methods) {
			return nil, centrifuge.ErrorMethodNotFound
		}
		if len(c.Params) == 0 {
			c.Params = json.RawMessage("{}")
		}
		b, err := json.Marshal(map[string]any{"id": c.ID, methods[c.Method]: c.Params})
		if err != nil {
			return nil, err
		}
		out.Write(append(b, '\n'))
	}
	return out.Bytes(), nil
}

// older turns an answer or a push into that of the older protocol.
func older(text []byte) ([]byte, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for key, value := range in {
		switch key {
		case "id", "error":
			out[key] = value
		case "push":
			push, err := olderPush(value)
			if err != nil {
				return nil, err
			}
			out["result"] = push
		default:
			out["result"] = value
		}
	}
	return json.Marshal(out)
}

func olderPush(text json.RawMessage) (map[string]any, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	out := map[string]any{"channel": in["channel"]}
	for number, kind := range pushes {
		if data, ok := in[kind]; ok {
			out["data"] = data
			if number > 0 {
				out["type"] = number
			}
		}
	}
	return out, nil
}

// wire is a client's WebSocket, as the node sees it.
type wire struct {
	mu   sync.Mutex // one writer at a time
	conn *websocket.Conn
	once sync.Once
	done chan struct{}
}

func (t *wire) Name() string                                { return "websocket" }
func (t *wire) Protocol() centrifuge.ProtocolType           { return centrifuge.ProtocolTypeJSON }
func (t *wire) ProtocolVersion() centrifuge.ProtocolVersion { return centrifuge.ProtocolVersion2 }
func (t *wire) Unidirectional() bool                        { return false }
func (t *wire) Emulation() bool                             { return false }
func (t *wire) DisabledPushFlags() uint64                   { return centrifuge.PushFlagDisconnect }

// PingPongConfig turns the newer protocol's own pings off.
func (t *wire) PingPongConfig() centrifuge.PingPongConfig {
	return centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1}
}

func (t *wire) Write(b []byte) error { return t.WriteMany(b) }

func (t *wire) WriteMany(all ...[]byte) error {
	var lines []string
	for _, b := range all {
		text, err := older(b)
		if err != nil {
			return err
		}
		lines = append(lines, string(text))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return t.conn.WriteMessage(websocket.TextMessage, []byte(strings.Join(lines, "\n")))
}

// Close tells the client why, in the words of the older protocol.
func (t *wire) Close(d centrifuge.Disconnect) error {
	t.end()
	reason, err := json.Marshal(map[string]any{"reason": d.Reason, "reconnect": d.Code < 3500})
	if err == nil {
		text := websocket.FormatCloseMessage(int(d.Code), string(reason))
		_ = t.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(writeTimeout)) // it may be gone
	}
	return t.conn.Close()
}

// drain lets the node tell the client why it is sent away.
func (t *wire) drain() {
	_ = t.conn.SetReadDeadline(time.Now().Add(writeTimeout))
	for {
		if _, _, err := t.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (t *wire) end() { t.once.Do(func() { close(t.done) }) }

func (t *wire) ping() {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			return
		case <-tick.C:
			if t.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		}
	}
}
