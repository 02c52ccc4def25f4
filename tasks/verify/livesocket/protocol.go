package livesocket

import "encoding/json"

// methodSubscribe is subscribe in the older protocol; connect is 0.
const methodSubscribe = 1

// pushPublication is the kind of the older protocol's pushes that carry a publication.
const pushPublication = 0

// command is a command in either protocol: the newer has a field for each, the older a
// method and its parameters.
type command struct {
	ID        uint32    `json:"id"`
	Connect   *struct{} `json:"connect,omitempty"`
	Subscribe *target   `json:"subscribe,omitempty"`
	Method    int       `json:"method,omitempty"`
	Params    *target   `json:"params,omitempty"`
}

type target struct {
	Channel string `json:"channel"`
}

// reply is what a server sends, in either protocol. Answers have an id, pushes none.
type reply struct {
	ID    uint32 `json:"id"`
	Error *struct {
		Code    uint32 `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Connect *struct{} `json:"connect"`
	Push    *struct {
		Pub        *publication `json:"pub"`
		Disconnect *disconnect  `json:"disconnect"`
	} `json:"push"`
	// Result is everything that the older protocol says.
	Result json.RawMessage `json:"result"`
}

type publication struct {
	Data json.RawMessage `json:"data"`
}

type disconnect struct {
	Reason string `json:"reason"`
}

// oldPush is a push of the older protocol.
type oldPush struct {
	Type    int    `json:"type"`
	Channel string `json:"channel"`
	Data    *publication
}

// publication is what was published; nil when r is something else.
func (r reply) publication() []byte {
	if r.Push != nil && r.Push.Pub != nil {
		return r.Push.Pub.Data
	}
	if r.Result == nil {
		return nil
	}
	var p oldPush
	if json.Unmarshal(r.Result, &p) != nil || p.Type != pushPublication || p.Data == nil {
		return nil
	}
	return p.Data.Data
}

// disconnected is why the server ends the connection; empty when it does not.
func (r reply) disconnected() string {
	if r.Push == nil || r.Push.Disconnect == nil {
		return ""
	}
	if r.Push.Disconnect.Reason == "" {
		return "disconnect"
	}
	return r.Push.Disconnect.Reason
}

// ping: the newer protocol's is an empty message.
func (r reply) ping() bool {
	return r.ID == 0 && r.Error == nil && r.Connect == nil && r.Push == nil && r.Result == nil
}
